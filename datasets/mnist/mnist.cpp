#include "mnist.h"

#include <filesystem>
#include <vector>

#include <fmt/format.h>

#include "idx.h"

namespace bitwright::mnist {

namespace {

constexpr const char* expected_files =
    "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
    "t10k-labels-idx1-ubyte, each raw or with .gz";

bool is_file(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

// "train-images-idx3-ubyte" is also met as "train-images.idx3-ubyte".
std::vector<std::string> spellings(const std::string& part, const std::string& kind) {
  std::string dotted = kind;
  dotted[dotted.find('-')] = '.';
  std::vector<std::string> names;
  for (const char* suffix : {"", ".gz"})
    for (const std::string& spelling : {kind, dotted})
      names.push_back(part + "-" + spelling + suffix);
  return names;
}

}  // namespace

std::string find_file(const DataRoot& root, const std::string& part, const std::string& kind) {
  if (root.path.empty())
    throw Error(ExitStatus::data, root.where, "MNIST needs a data folder and none is set",
                fmt::format("a folder with {}", expected_files),
                "set data.root=DIR or the environment variable BITWRIGHT_DATA=DIR");
  std::error_code ignored;
  if (!std::filesystem::is_directory(root.path, ignored))
    throw data_error(root.path, "the data folder does not exist",
                     fmt::format("a folder with {}", expected_files),
                     "correct data.root or BITWRIGHT_DATA");
  const std::filesystem::path base(root.path);
  for (const char* folder : {"", "mnist", "MNIST/raw", "MNIST"})
    for (const std::string& name : spellings(part, kind))
      if (const auto path = *folder ? base / folder / name : base / name; is_file(path))
        return path.string();
  throw data_error(root.path, fmt::format("the MNIST file {}-{} is missing", part, kind),
                   fmt::format("here or in mnist/, MNIST/raw/ or MNIST/: {}", expected_files),
                   "put the official files there, or correct data.root or BITWRIGHT_DATA");
}

ImageSet Mnist::load(const std::string& part) {
  // Both files are looked for before the first is read: a missing one is reported at once.
  const std::string images_path = find_file(root_, part, "images-idx3-ubyte");
  const std::string labels_path = find_file(root_, part, "labels-idx1-ubyte");
  File images = read_file(images_path);
  const File labels = read_file(labels_path);
  hashes_[std::filesystem::path(images_path).filename().string()] = images.sha256;
  hashes_[std::filesystem::path(labels_path).filename().string()] = labels.sha256;

  ImageSet set;
  set.height = set.width = 28;
  set.channels = 1;
  set.classes = 10;
  set.pixels = parse_images(std::move(images));
  set.labels = parse_labels(labels);
  const std::size_t count = set.pixels.size() / static_cast<std::size_t>(set.image_size());
  if (set.labels.size() != count)
    throw data_error(labels_path, fmt::format("{} labels", set.labels.size()),
                     fmt::format("{}, one for each image of {}", count, images_path),
                     "use the image and the label file of the same set");
  return set;
}

std::map<std::string, Normalization> Mnist::normalizations() const {
  return {{"mnist", {{0.1307}, {0.3081}}}};
}

}  // namespace bitwright::mnist
