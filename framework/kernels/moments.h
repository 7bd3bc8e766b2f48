#pragma once
// Extremes and central moments of a tensor, and the gradient of its kurtosis.

#include <array>
#include <cstdint>
#include <vector>

namespace bitwright::kernels {

struct Extremes {
  float low = 0, high = 0;
};
/// Of n > 0 numbers of type float or bfloat16.
template <class T>
Extremes extremes(std::int64_t n, const T* x);

/// Sums of (x - pivot)^k, k = 1 .. 4, in double. `parts` is room that is kept between calls.
using PowerSums = std::array<double, 4>;
PowerSums power_sums(std::int64_t n, const float* x, double pivot, std::vector<PowerSums>& parts);

/// g[i] <- factor * (z^3 - m3 - m4 z) with z = (x[i] - mean) / deviation.
struct ShapeGradient {
  double mean = 0, deviation = 1, m3 = 0, m4 = 0, factor = 0;
};
void shape_gradient(std::int64_t n, const float* x, const ShapeGradient& at, float* g);

}  // namespace bitwright::kernels
