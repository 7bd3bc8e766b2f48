#include <algorithm>
#include <cmath>

#include <bitwright/core/error.h>
#include <bitwright/quant/activation_statistics.h>

#include "kernels/moments.h"

namespace bitwright {

void ActivationStatistics::clear() {
  sample_.clear();
  low_.clear();
  high_.clear();
}

void ActivationStatistics::add(const Tensor& batch, std::int64_t images) {
  require(images > 0 && images <= batch.shape()[0], "images of the batch");
  const std::int64_t n = batch.numel() / batch.shape()[0] * images;
  const std::int64_t count = std::min(n, images * values_per_image);
  for_float_type(batch.type(), [&]<class T>(T*) {
    const T* x = batch.as<T>();
    const auto [low, high] = kernels::extremes(n, x);
    low_.push_back(static_cast<double>(low));
    high_.push_back(static_cast<double>(high));
    // Multiples of the golden ratio: even, and in step with no axis of the tensor.
    for (std::int64_t k = 0; k < count; ++k) {
      const double turns = 0.6180339887498949 * static_cast<double>(k);
      const auto at =
          count == n
              ? k
              : static_cast<std::int64_t>((turns - std::floor(turns)) * static_cast<double>(n));
      sample_.push_back(float(x[std::min(at, n - 1)]));
    }
  });
}

Observed ActivationStatistics::observed() const {
  require(!sample_.empty(), "an activation that was observed");
  return {sample_, *std::ranges::min_element(low_), *std::ranges::max_element(high_), low_, high_};
}

}  // namespace bitwright
