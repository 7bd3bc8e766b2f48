#include "kernels/elementwise.h"

namespace bitwright::kernels {

double sum(std::int64_t n, const float* x) {
  return parallel_sum(n, kElementGrain, [x](std::int64_t begin, std::int64_t end) {
    double s = 0;
    for (std::int64_t i = begin; i < end; ++i) s += static_cast<double>(x[i]);
    return s;
  });
}

double dot(std::int64_t n, const float* x, const float* y) {
  return sum_of(n, x, y, [](float a, float b) { return static_cast<double>(a) * double{b}; });
}

}  // namespace bitwright::kernels
