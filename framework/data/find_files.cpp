#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include <bitwright/core/error.h>
#include <bitwright/data/archive.h>
#include <bitwright/data/data_files.h>

#include "data/search.h"

namespace bitwright {

namespace fs = std::filesystem;

namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// Folders in `base` whose name is `name`, the exact spelling first.
std::vector<fs::path> folders_called(const fs::path& base, const std::string& name) {
  std::vector<fs::path> found;
  if (is_folder(base / name)) found.push_back(base / name);
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(base, ignored)) {
    const std::string other = entry.path().filename().string();
    if (other != name && lower(other) == lower(name) && is_folder(entry.path()))
      found.push_back(entry.path());
  }
  std::sort(found.begin() + (found.empty() || found[0].filename() != name ? 0 : 1), found.end());
  return found;
}

DataCopy copy_in(const fs::path& folder, const DataForm& form, std::size_t index) {
  DataCopy copy{folder.string(), false, index, {}};
  for (const WantedFile& file : form.files) {
    std::string path;
    for (const char* suffix : {"", ".gz"}) {
      if (*suffix && !file.may_be_gzip) continue;
      for (const std::string& name : file.names)
        if (path.empty() && is_file(folder / (name + suffix)))
          path = (folder / (name + suffix)).string();
    }
    copy.files.push_back(std::move(path));
  }
  return copy;
}

// "cifar-10" begins "cifar-10-binary.tar.gz" and "cifar-10.zip", not "cifar-100.zip".
bool begins(const std::string& name, const std::string& beginning) {
  const std::string start = lower(beginning);
  const std::string whole = lower(name);
  return whole.starts_with(start) && !std::isalnum(static_cast<unsigned char>(whole[start.size()]));
}

void add_archives(const fs::path& folder, const DataLayout& layout, std::vector<DataCopy>& copies) {
  const std::vector<std::string> names = names_in(folder);
  for (const std::string& beginning : layout.archives)
    for (const std::string& name : names) {
      const std::string path = (folder / name).string();
      const bool known = std::any_of(copies.begin(), copies.end(),
                                     [&](const DataCopy& copy) { return copy.path == path; });
      if (!known && is_archive_name(name) && begins(name, beginning) && is_file(path))
        copies.push_back({path, true, 0, {}});
    }
}

void check_root(const DataRoot& root, const DataLayout& layout) {
  if (root.path.empty())
    throw Error(ExitStatus::data, root.where,
                fmt::format("{} needs a data folder and none is set", layout.set),
                expected_files(layout),
                "set data.root=DIR or the environment variable BITWRIGHT_DATA=DIR");
  std::error_code failed;
  const fs::file_status status = fs::status(root.path, failed);
  if (!fs::exists(status))
    throw data_error(root.path, "the data folder does not exist", expected_files(layout),
                     "correct data.root or BITWRIGHT_DATA");
  if (!fs::is_directory(status) && !is_archive_name(root.path))
    throw data_error(root.path, "the data root is neither a folder nor an archive",
                     expected_files(layout), "correct data.root or BITWRIGHT_DATA");
}

}  // namespace

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code failed;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed))
    names.push_back(at->path().filename().string() + (is_folder(at->path()) ? "/" : ""));
  if (failed)
    throw data_error(folder.string(), fmt::format("cannot be read ({})", failed.message()),
                     "a readable folder", "check its permissions");
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<fs::path> existing_folders(const std::string& root, const DataLayout& layout) {
  std::vector<fs::path> all;
  for (const std::string& relative : layout.folders) {
    std::vector<fs::path> level{fs::path(root)};
    for (const fs::path& name : fs::path(relative)) {
      std::vector<fs::path> next;
      for (const fs::path& base : level)
        for (fs::path& found : folders_called(base, name.string()))
          next.push_back(std::move(found));
      level = std::move(next);
    }
    for (fs::path& folder : level)
      if (std::find(all.begin(), all.end(), folder) == all.end()) all.push_back(std::move(folder));
  }
  return all;
}

bool DataCopy::whole() const {
  return std::none_of(files.begin(), files.end(), [](const std::string& f) { return f.empty(); });
}

std::vector<DataCopy> find_copies(const DataRoot& root, const DataLayout& layout) {
  check_root(root, layout);
  std::error_code ignored;
  if (!fs::is_directory(root.path, ignored)) return {{root.path, true, 0, {}}};
  names_in(root.path);  // tells when it cannot be read
  std::vector<DataCopy> whole, partial, archives;
  for (const fs::path& folder : existing_folders(root.path, layout)) {
    for (std::size_t form = 0; form < layout.forms.size(); ++form) {
      DataCopy copy = copy_in(folder, layout.forms[form], form);
      if (copy.whole())
        whole.push_back(std::move(copy));
      else if (std::any_of(copy.files.begin(), copy.files.end(),
                           [](const std::string& file) { return !file.empty(); }))
        partial.push_back(std::move(copy));
    }
    add_archives(folder, layout, archives);
  }
  for (auto* more : {&archives, &partial}) whole.insert(whole.end(), more->begin(), more->end());
  return whole;
}

DataCopy find_copy(const DataRoot& root, const DataLayout& layout) {
  const std::vector<DataCopy> copies = find_copies(root, layout);
  if (copies.empty()) throw missing_files(root, layout, nullptr);
  if (!copies.front().archive && !copies.front().whole()) {
    const auto present = [](const DataCopy& copy) {
      return std::count(copy.files.begin(), copy.files.end(), std::string());
    };
    throw missing_files(
        root, layout,
        &*std::min_element(copies.begin(), copies.end(), [&](const DataCopy& a, const DataCopy& b) {
          return present(a) < present(b);
        }));
  }
  return copies.front();
}

}  // namespace bitwright
