#include "source.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <system_error>

#include <fmt/format.h>

#include <bitwright/core/sha256.h>
#include <bitwright/data/archive.h>

namespace bitwright::tinyimagenet {

namespace fs = std::filesystem;

namespace {

constexpr const char* kLooksLike =
    "tiny-imagenet-200/ as published (wnids.txt, train/, val/), its .zip, or a tar of it";
constexpr std::size_t kLargestFile = std::size_t{16} << 20;  // words.txt has 2.7 MB, a JPEG 2 kB

// The parts of the set that are read: the unlabelled test images are not.
bool wanted(const std::string& path) {
  return path == "wnids.txt" || path == "words.txt" || path.starts_with("train/") ||
         path.starts_with("val/");
}

class Folder : public Source {
 public:
  explicit Folder(const std::string& folder) : folder_(folder) {
    std::error_code error;
    for (fs::recursive_directory_iterator at(folder_, error), end; !error && at != end;
         at.increment(error))
      if (at->is_regular_file(error))
        if (std::string path = at->path().lexically_relative(folder_).generic_string();
            wanted(path))
          paths_.push_back(std::move(path));
    if (error)
      throw data_error(folder, "the folder cannot be listed: " + error.message(), kLooksLike,
                       "give yourself the right to read it");
    std::sort(paths_.begin(), paths_.end());
  }

  const std::vector<std::string>& paths() const override { return paths_; }
  std::string name_of(const std::string& path) const override { return (folder_ / path).string(); }
  std::vector<std::uint8_t> read(const std::string& path) const override {
    return read_all(*open_file(name_of(path)), kLargestFile);
  }

 private:
  fs::path folder_;
  std::vector<std::string> paths_;
};

// What stands before wnids.txt, such as "tiny-imagenet-200/".
std::string folder_within(const std::vector<std::string>& paths, const std::string& archive) {
  for (const std::string& path : paths)
    if (path == "wnids.txt" || path.ends_with("/wnids.txt"))
      return path.substr(0, path.size() - std::string("wnids.txt").size());
  throw data_error(archive, "the archive has no wnids.txt", kLooksLike);
}

class Archive : public Source {
 public:
  explicit Archive(const std::string& archive) : archive_(archive) {
    std::map<std::string, std::vector<std::uint8_t>> members;
    for_each_member(archive, [&](const std::string& path, ByteStream& bytes) {
      if (path.find("test/images/") == std::string::npos)
        members[path] = read_all(bytes, kLargestFile);
      return true;
    });
    std::vector<std::string> all;
    for (const auto& [path, bytes] : members) all.push_back(path);
    inner_ = folder_within(all, archive);
    for (auto& [path, bytes] : members) {
      if (!path.starts_with(inner_) || !wanted(path.substr(inner_.size()))) continue;
      paths_.push_back(path.substr(inner_.size()));
      files_[paths_.back()] = std::move(bytes);
    }
  }

  const std::vector<std::string>& paths() const override { return paths_; }
  std::string name_of(const std::string& path) const override {
    return fmt::format("{}({}{})", archive_, inner_, path);
  }
  std::vector<std::uint8_t> read(const std::string& path) const override {
    const auto at = files_.find(path);
    if (at == files_.end())
      throw data_error(archive_, fmt::format("the archive has no {}{}", inner_, path), kLooksLike);
    return at->second;
  }

 private:
  std::string archive_, inner_;
  std::vector<std::string> paths_;
  std::map<std::string, std::vector<std::uint8_t>> files_;
};

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool has_set(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / "wnids.txt", ignored);
}

std::string stamp(const fs::path& path) {
  std::error_code ignored;
  return fmt::format("{} {}", fs::file_size(path, ignored),
                     fs::last_write_time(path, ignored).time_since_epoch().count());
}

}  // namespace

std::vector<Copy> find_copies(const DataRoot& root) {
  if (root.path.empty())
    throw Error(ExitStatus::data, root.where, "TinyImageNet needs a data folder and none is set",
                kLooksLike, "set data.root=DIR or the environment variable BITWRIGHT_DATA=DIR");
  std::error_code error;
  if (fs::is_regular_file(root.path, error) && is_archive_name(root.path))
    return {{root.path, true}};
  if (has_set(root.path)) return {{root.path, false}};
  std::vector<Copy> copies;
  for (const auto& entry : fs::directory_iterator(root.path, error)) {
    const std::string name = lower(entry.path().filename().string());
    if (!name.starts_with("tiny-imagenet") && !name.starts_with("tinyimagenet")) continue;
    std::error_code ignored;
    if (has_set(entry.path()))
      copies.push_back({entry.path().string(), false});
    else if (entry.is_regular_file(ignored) && is_archive_name(name))
      copies.push_back({entry.path().string(), true});
  }
  if (error)
    throw data_error(root.path, "the data folder cannot be read: " + error.message(), kLooksLike,
                     "correct data.root or BITWRIGHT_DATA");
  std::sort(copies.begin(), copies.end(), [](const Copy& a, const Copy& b) {
    return std::pair(a.archive, a.path) < std::pair(b.archive, b.path);
  });
  return copies;
}

Copy find_copy(const DataRoot& root) {
  const auto copies = find_copies(root);
  if (copies.empty())
    throw data_error(root.path, "TinyImageNet is not here", kLooksLike,
                     "put it there, or correct data.root or BITWRIGHT_DATA");
  return copies.front();
}

std::unique_ptr<Source> open_source(const Copy& copy) {
  if (copy.archive) return std::make_unique<Archive>(copy.path);
  return std::make_unique<Folder>(copy.path);
}

std::string fingerprint(const Copy& copy) {
  if (copy.archive) return fmt::format("{} {}", copy.path, stamp(copy.path));
  const Folder folder(copy.path);
  Sha256 hash;
  for (const std::string& path : folder.paths()) {
    const std::string line = fmt::format("{} {}\n", path, stamp(fs::path(copy.path) / path));
    hash.update(line.data(), line.size());
  }
  return fmt::format("{} {}", copy.path, hash.hex());
}

}  // namespace bitwright::tinyimagenet
