#include "kernels/gradients.h"

#include "kernels/elementwise.h"

namespace bitwright::kernels {

double sum_of_squares(std::int64_t n, const float* x) {
  return parallel_sum(n, kElementGrain, [x](std::int64_t begin, std::int64_t end) {
    // Eight sums side by side, in a fixed order, so that the loop vectorises.
    double sums[8] = {};
    std::int64_t i = begin;
    for (; i + 8 <= end; i += 8)
      for (int k = 0; k < 8; ++k)
        sums[k] += static_cast<double>(x[i + k]) * static_cast<double>(x[i + k]);
    for (; i < end; ++i) sums[0] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) +
           ((sums[4] + sums[5]) + (sums[6] + sums[7]));
  });
}

void scale(std::int64_t n, float factor, float* __restrict x) {
  for_each_element(n, [=](std::int64_t i) { x[i] *= factor; });
}

void clamp(std::int64_t n, float limit, float* __restrict x) {
  for_each_element(n, [=](std::int64_t i) {
    const float below = x[i] > limit ? limit : x[i];
    x[i] = below < -limit ? -limit : below;
  });
}

void add_and_scale(std::int64_t n, const float* __restrict sum, float factor, float* __restrict x) {
  for_each_element(n, [=](std::int64_t i) { x[i] = (sum[i] + x[i]) * factor; });
}

}  // namespace bitwright::kernels
