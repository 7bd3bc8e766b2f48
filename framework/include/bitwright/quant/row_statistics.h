#pragma once
// What ranges and scales are computed from. `rows` is 1 for the whole tensor (f32 or bf16, any
// layout), or its output channels (axis 0, plain).

#include <cstdint>
#include <vector>

#include <bitwright/tensor/tensor.h>

namespace bitwright {

struct Extremes {
  float low = 0, high = 0;
  float magnitude() const { return -low > high ? -low : high; }
};
/// Smallest and largest value of each row; NaN is left out.
std::vector<Extremes> extremes(const Tensor& x, std::int64_t rows = 1);
/// Mean of |x| of each row.
std::vector<float> mean_magnitude(const Tensor& x, std::int64_t rows = 1);
/// Mean of |x| over the elements of a row with |x| > threshold[row]; 0 where there are none.
std::vector<float> mean_magnitude_above(const Tensor& x, const std::vector<float>& threshold);
/// Fraction of elements whose x / scale[row] lies at or outside of `low` or `high`; scales f32.
double saturated_fraction(const Tensor& x, const Tensor& scales, float low, float high);

}  // namespace bitwright
