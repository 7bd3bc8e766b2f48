#include "listing.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include <fmt/format.h>

namespace bitwright::tinyimagenet {

namespace {

constexpr const char* kClasses = "wnids.txt";
constexpr const char* kAnnotations = "val/val_annotations.txt";

std::vector<std::string> lines(const Source& source, const std::string& path) {
  const auto bytes = source.read(path);
  std::vector<std::string> all;
  std::string line;
  for (const std::uint8_t byte : bytes) {
    if (byte != '\n') {
      line += static_cast<char>(byte);
      continue;
    }
    all.push_back(std::move(line));
    line.clear();
  }
  if (!line.empty()) all.push_back(line);
  for (std::string& one : all)
    if (one.ends_with('\r')) one.pop_back();
  return all;
}

bool is_jpeg(std::string_view path) {
  for (const char* ending : {".JPEG", ".jpeg", ".jpg", ".JPG"})
    if (path.ends_with(ending)) return true;
  return false;
}

std::string at_line(const Source& source, const std::string& path, std::size_t index) {
  return fmt::format("{}:{}", source.name_of(path), index + 1);
}

std::map<std::string, std::int32_t> label_of_class(const std::vector<std::string>& classes) {
  std::map<std::string, std::int32_t> labels;
  for (const std::string& name : classes) labels.emplace(name, static_cast<int>(labels.size()));
  return labels;
}

}  // namespace

std::vector<std::string> read_classes(const Source& source) {
  std::vector<std::string> classes;
  std::set<std::string> seen;
  const auto all = lines(source, kClasses);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].empty()) continue;
    if (all[i].find_first_of("/\\ \t") != std::string::npos)
      throw data_error(at_line(source, kClasses, i), fmt::format("'{}' is no class", all[i]),
                       "a WordNet identifier such as n01443537");
    if (!seen.insert(all[i]).second)
      throw data_error(at_line(source, kClasses, i),
                       fmt::format("class {} stands here twice", all[i]), "each class once");
    classes.push_back(all[i]);
  }
  if (classes.empty())
    throw data_error(source.name_of(kClasses), "no class", "WordNet identifiers, one a line");
  return classes;
}

Listing list_train(const Source& source, const std::vector<std::string>& classes) {
  const auto labels = label_of_class(classes);
  std::vector<std::vector<std::string>> images(classes.size());
  for (const std::string& path : source.paths()) {
    if (!path.starts_with("train/") || !is_jpeg(path)) continue;
    const std::size_t slash = path.find('/', 6);
    const auto at = labels.find(path.substr(6, slash == std::string::npos ? slash : slash - 6));
    if (at == labels.end() || path.compare(slash, 8, "/images/") != 0) continue;
    images[static_cast<std::size_t>(at->second)].push_back(path);
  }
  Listing listing;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    if (images[i].empty())
      throw data_error(source.name_of(fmt::format("train/{}/images", classes[i])),
                       "no JPEG of this class, which wnids.txt names", "the class's images",
                       "complete the set, or take the class out of wnids.txt");
    // By number: shorter names first, since numbers have no leading zeros.
    std::sort(images[i].begin(), images[i].end(), [](const auto& a, const auto& b) {
      return a.size() != b.size() ? a.size() < b.size() : a < b;
    });
    listing.labels.insert(listing.labels.end(), images[i].size(), static_cast<std::int32_t>(i));
    std::move(images[i].begin(), images[i].end(), std::back_inserter(listing.paths));
  }
  return listing;
}

Listing list_validation(const Source& source, const std::vector<std::string>& classes) {
  const auto labels = label_of_class(classes);
  std::set<std::string> files;
  for (const std::string& path : source.paths())
    if (path.starts_with("val/images/") && is_jpeg(path)) files.insert(path);
  Listing listing;
  const auto all = lines(source, kAnnotations);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].empty()) continue;
    const auto place = [&] { return at_line(source, kAnnotations, i); };
    const std::size_t tab = all[i].find('\t');
    if (tab == std::string::npos)
      throw data_error(place(), "the line has no tab", "FILE<tab>CLASS<tab>box");
    const std::string file = all[i].substr(0, tab);
    const std::string name = all[i].substr(tab + 1, all[i].find('\t', tab + 1) - tab - 1);
    const auto label = labels.find(name);
    if (label == labels.end())
      throw data_error(place(), fmt::format("class '{}' is not in wnids.txt", name),
                       "a class of wnids.txt");
    if (files.erase("val/images/" + file) == 0)
      throw data_error(place(), fmt::format("there is no image '{}' in val/images", file),
                       "each image there once", "complete the set");
    listing.paths.push_back("val/images/" + file);
    listing.labels.push_back(label->second);
  }
  if (!files.empty())
    throw data_error(source.name_of(*files.begin()), "the image has no line in val_annotations.txt",
                     "a class for each image", "complete the file, or remove the image");
  if (listing.paths.empty())
    throw data_error(source.name_of(kAnnotations), "no image",
                     "FILE<tab>CLASS<tab>box, one a line");
  return listing;
}

std::vector<std::string> read_class_names(const Source& source,
                                          const std::vector<std::string>& classes) {
  std::map<std::string, std::string> words;
  if (std::binary_search(source.paths().begin(), source.paths().end(), "words.txt"))
    for (const std::string& line : lines(source, "words.txt"))
      if (const std::size_t tab = line.find('\t'); tab != std::string::npos)
        words[line.substr(0, tab)] = line.substr(tab + 1, line.find(',', tab) - tab - 1);
  std::vector<std::string> names;
  for (const std::string& name : classes)
    names.push_back(words.contains(name) ? words[name] : name);
  return names;
}

}  // namespace bitwright::tinyimagenet
