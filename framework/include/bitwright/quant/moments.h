#pragma once
// Mean, deviation and shape of a weight tensor, in one pass over it.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace bitwright {

/// Of n numbers x: population moments, with z = (x - mean) / deviation.
struct Moments {
  std::int64_t n = 0;
  double mean = 0;
  double deviation = 0;  ///< sqrt of the mean of (x - mean)^2
  double m3 = 0;         ///< mean of z^3: the skewness
  double m4 = 0;         ///< mean of z^4: the kurtosis, 1.8 for uniform, 3 for normal numbers

  /// The kurtosis with the standard deviation of n - ddof degrees of freedom:
  /// m4 ((n - ddof) / n)^2. NaN when all numbers are equal.
  double kurtosis(int ddof = 0) const;
};

/// Measures tensors; keeps its memory between calls. Sums are double and do not depend on the
/// number of threads.
class MomentMeter {
 public:
  Moments measure(std::span<const float> x);

 private:
  std::vector<std::array<double, 4>> parts_;
};

/// Writes factor * d kurtosis(ddof) / dx_i, which is
/// factor ((n - ddof) / n)^2 4 / (n deviation) (z_i^3 - m3 - m4 z_i), in one pass. It is orthogonal
/// to constants and to x - mean. Equal numbers have no shape: zero.
void kurtosis_gradient(std::span<const float> x, const Moments& of_x, int ddof, double factor,
                       std::span<float> gradient);

}  // namespace bitwright
