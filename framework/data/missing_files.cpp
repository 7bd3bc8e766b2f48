// What a user is told when a data set is not where it was looked for.

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include <fmt/format.h>

#include <bitwright/core/error.h>

#include "data/search.h"

namespace bitwright {

namespace fs = std::filesystem;

namespace {

// A form in which others keep data sets and that is not read here.
struct Foreign {
  const char* ending;
  const char* what;
};
constexpr std::array foreign{
    Foreign{".npz", "a NumPy archive"},     Foreign{".npy", "a NumPy array"},
    Foreign{".csv", "a CSV table"},         Foreign{".csv.gz", "a CSV table"},
    Foreign{".lmdb", "an LMDB database"},   Foreign{"_lmdb/", "an LMDB database"},
    Foreign{".lmdb/", "an LMDB database"},  Foreign{"data.mdb", "an LMDB database"},
    Foreign{".parquet", "a Parquet table"}, Foreign{".tfrecord", "a TFRecord file"},
    Foreign{".pt", "a PyTorch file"},       Foreign{".mat", "a MATLAB file"},
    Foreign{".7z", "a 7-Zip archive"},      Foreign{".rar", "a RAR archive"},
};

struct Found {
  std::string path, what;
};

// The first such file in the folders that were searched.
std::optional<Found> foreign_file(const std::vector<fs::path>& folders) {
  for (const fs::path& folder : folders)
    for (const std::string& name : names_in(folder)) {
      std::string lower = name;
      std::transform(lower.begin(), lower.end(), lower.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      for (const Foreign& form : foreign)
        if (lower.ends_with(form.ending)) return Found{(folder / name).string(), form.what};
      if (name.ends_with("/") && is_file(folder / name / "data.mdb"))
        return Found{(folder / name).string(), "an LMDB database"};
    }
  return {};
}

std::string official_names(const DataForm& form) {
  std::vector<std::string> names;
  for (const WantedFile& file : form.files) names.push_back(file.names.front());
  const bool gzip = std::any_of(form.files.begin(), form.files.end(),
                                [](const WantedFile& file) { return file.may_be_gzip; });
  return enumerate(names) + (gzip ? ", each raw or with .gz" : "");
}

std::string content(const fs::path& folder) {
  constexpr std::size_t shown = 8;
  std::vector<std::string> names = names_in(folder);
  if (names.empty()) return "the folder is empty";
  const std::size_t all = names.size();
  names.resize(std::min(all, shown));
  return fmt::format("found {}{}", fmt::join(names, ", "),
                     all > shown ? fmt::format(" and {} more", all - shown) : "");
}

}  // namespace

std::string enumerate(const std::vector<std::string>& words, const std::string& last) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i)
    text += (i == 0 ? "" : i + 1 == words.size() ? " " + last + " " : ", ") + words[i];
  return text;
}

std::string expected_files(const DataLayout& layout) {
  std::vector<std::string> folders, forms;
  for (const std::string& folder : layout.folders)
    if (!folder.empty()) folders.push_back(folder + "/");
  for (const DataForm& form : layout.forms)
    forms.push_back(form.what.empty() ? official_names(form)
                                      : fmt::format("{} ({})", official_names(form), form.what));
  return fmt::format(
      "{}; in the folder itself or in {}; or an archive called {}*.tar.gz, .tar.xz or .zip",
      fmt::join(forms, ", or "), enumerate(folders, "or"), layout.archives.front());
}

Error missing_files(const DataRoot& root, const DataLayout& layout, const DataCopy* nearest) {
  const std::string fetch = fmt::format(
      "put the official files there (scripts/fetch-data {} downloads them), or correct data.root "
      "or BITWRIGHT_DATA",
      layout.fetch);
  if (nearest != nullptr) {
    const DataForm& form = layout.forms[nearest->form];
    std::vector<std::string> missing;
    for (std::size_t i = 0; i < form.files.size(); ++i)
      if (nearest->files[i].empty()) missing.push_back(form.files[i].names.front());
    return data_error(
        nearest->path,
        fmt::format("the {} file{} {} {} missing", layout.set, missing.size() == 1 ? "" : "s",
                    enumerate(missing), missing.size() == 1 ? "is" : "are"),
        expected_files(layout), fetch);
  }
  if (const auto other = foreign_file(existing_folders(root.path, layout)))
    return data_error(
        other->path,
        fmt::format("{} is not read, and {} is not there in another form", other->what, layout.set),
        expected_files(layout),
        fmt::format("convert it as datasets/README.md shows, or get the official "
                    "files with scripts/fetch-data {}",
                    layout.fetch));
  return data_error(root.path, fmt::format("{} is not there ({})", layout.set, content(root.path)),
                    expected_files(layout), fetch);
}

}  // namespace bitwright
