#include "batch.h"

#include <fmt/format.h>

#include <bitwright/core/error.h>

namespace bitwright::cifar {

void BatchSink::add(const std::uint8_t* planes, int label) {
  const auto end = static_cast<std::size_t>(first_ + count_ + 1);
  if (set_.labels.size() < end) {
    set_.labels.resize(end);
    set_.pixels.resize(end * image_size);
  }
  std::uint8_t* pixel = set_.pixels.data() + (end - 1) * image_size;
  for (std::int64_t p = 0; p < plane_size; ++p, pixel += 3) {
    pixel[0] = planes[p];
    pixel[1] = planes[plane_size + p];
    pixel[2] = planes[2 * plane_size + p];
  }
  set_.labels[end - 1] = label;
  ++count_;
}

}  // namespace bitwright::cifar
