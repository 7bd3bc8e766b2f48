#include "mnist.h"

#include <array>

#include <fmt/format.h>

#include "idx.h"

namespace bitwright::mnist {

namespace {

void check_counts(const ImageSet& set, const ReadFile& images, const ReadFile& labels) {
  const std::size_t count = set.pixels.size() / static_cast<std::size_t>(set.image_size());
  if (set.labels.size() != count)
    throw data_error(labels.path, fmt::format("{} labels", set.labels.size()),
                     fmt::format("{}, one for each image of {}", count, images.path),
                     "use the image and the label file of the same set");
}

ImageSet empty_set() {
  ImageSet set;
  set.height = set.width = 28;
  set.channels = 1;
  set.classes = 10;
  return set;
}

}  // namespace

std::vector<std::string> Mnist::copies() const {
  std::vector<std::string> paths;
  for (const DataCopy& copy : find_copies(root_, variant_.layout)) paths.push_back(copy.path);
  return paths;
}

ImageSet Mnist::take(ImageSet& part) {
  if (part.labels.empty()) load();
  ImageSet taken = std::move(part);
  part = {};
  return taken;
}

void Mnist::load() {
  train_ = empty_set();
  test_ = empty_set();
  const auto files = read_copy(find_copy(root_, variant_.layout), root_, variant_.layout, options_,
                               [&](const FileRole& role, ByteStream& bytes) {
                                 ImageSet& set = role.file < 2 ? train_ : test_;
                                 if (role.file % 2 == 0)
                                   set.pixels = read_images(bytes);
                                 else
                                   set.labels = read_labels(bytes);
                               });
  check_counts(train_, files[0], files[1]);
  check_counts(test_, files[2], files[3]);
  hashes_.clear();
  for (const ReadFile& file : files) hashes_[file.name] = file.sha256;
}

}  // namespace bitwright::mnist
