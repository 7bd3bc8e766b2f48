#include "cifar.h"

#include <algorithm>

namespace bitwright::cifar {

namespace {

// Files arrive in the archive's order, so each has its place in the training part. Those that hold
// fewer images than the official ones leave gaps, which are closed at the end.
void close_gaps(ImageSet& set, const std::vector<std::int64_t>& counts, std::int64_t capacity) {
  std::int64_t end = 0;
  for (std::size_t file = 0; file < counts.size(); ++file) {
    const auto first = static_cast<std::int64_t>(file) * capacity;
    if (first != end) {
      const auto images = set.pixels.begin() + first * image_size;
      std::copy(images, images + counts[file] * image_size, set.pixels.begin() + end * image_size);
      const auto labels = set.labels.begin() + first;
      std::copy(labels, labels + counts[file], set.labels.begin() + end);
    }
    end += counts[file];
  }
  set.pixels.resize(static_cast<std::size_t>(end * image_size));
  set.labels.resize(static_cast<std::size_t>(end));
}

ImageSet empty_set(int classes) {
  ImageSet set;
  set.height = set.width = 32;
  set.channels = 3;
  set.classes = classes;
  return set;
}

}  // namespace

std::vector<std::string> Cifar::copies() const {
  std::vector<std::string> paths;
  for (const DataCopy& copy : find_copies(root_, variant_.layout)) paths.push_back(copy.path);
  return paths;
}

ImageSet Cifar::take(ImageSet& part) {
  if (part.labels.empty()) load();
  ImageSet taken = std::move(part);
  part = {};
  return taken;
}

void Cifar::load() {
  const DataCopy copy = find_copy(root_, variant_.layout);
  train_ = empty_set(classes());
  test_ = empty_set(classes());
  train_.pixels.reserve(static_cast<std::size_t>(50000 * image_size));
  std::vector<std::int64_t> counts(variant_.layout.forms[copy.form].files.size() - 1);
  const auto files = read_copy(
      copy, root_, variant_.layout, options_, [&](const FileRole& role, ByteStream& bytes) {
        const bool test = role.file == counts.size();
        const BatchFormat& format = test ? variant_.test : variant_.train;
        BatchSink sink(test ? test_ : train_,
                       test ? 0 : static_cast<std::int64_t>(role.file) * format.capacity);
        const bool python = variant_.layout.forms[role.form].what == "Python version";
        (python ? read_python_batch : read_binary_batch)(bytes, format, sink);
        if (!test) counts[role.file] = sink.count();
      });
  close_gaps(train_, counts, variant_.train.capacity);
  hashes_.clear();
  for (const ReadFile& file : files) hashes_[file.name] = file.sha256;
}

}  // namespace bitwright::cifar
