#pragma once
// One file of CIFAR-10 or CIFAR-100, in either version, into a place of an image set.

#include <cstdint>
#include <string>
#include <vector>

#include <bitwright/data/byte_stream.h>
#include <bitwright/data/dataset.h>

namespace bitwright::cifar {

/// The labels of an image, in the order of the bytes before its pixels in the binary version.
struct LabelKind {
  std::string name;  ///< its key in the Python version
  int classes;
};

struct BatchFormat {
  std::vector<LabelKind> labels;
  std::size_t wanted = 0;     ///< which of the labels the images get
  std::int64_t capacity = 0;  ///< images of the official file
};

/// Receives the images of one file: [3][32][32] in the file becomes [32][32][3] at image `first`
/// of the set and after.
class BatchSink {
 public:
  BatchSink(ImageSet& set, std::int64_t first) : set_(set), first_(first) {}
  void add(const std::uint8_t* planes, int label);
  std::int64_t count() const { return count_; }

 private:
  ImageSet& set_;
  std::int64_t first_, count_ = 0;
};

constexpr std::int64_t plane_size = 32 * 32, image_size = 3 * plane_size;

/// Both throw data errors that name the record: cut off, labels out of range, more images than the
/// official file has, none at all.
void read_binary_batch(ByteStream& bytes, const BatchFormat& format, BatchSink& sink);
void read_python_batch(ByteStream& bytes, const BatchFormat& format, BatchSink& sink);

}  // namespace bitwright::cifar
