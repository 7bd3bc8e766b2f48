#pragma once
// Entropy of quantized values: of a histogram, and as a function of the values that can be
// differentiated.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <bitwright/autograd/variable.h>

namespace bitwright {

/// -sum p_k log2 p_k of a histogram, bits per value; 0 for an empty one.
double entropy_of(std::span<const std::int64_t> counts);
double entropy_of(std::span<const double> counts);

/// Levels 0 .. levels - 1 to which values are assigned softly.
struct SoftBins {
  std::int64_t levels = 2;  ///< 2^b
  double temperature = 10;  ///< T
  /// Whether the ends of the range count as functions of the values when H is differentiated.
  bool differentiable_range = true;
};

/// The soft entropy of values a_n (Baskin et al., arXiv:1909.11481; formulas of the authors' code):
///   x_n = (a_n - lo) (levels - 1) / (hi - lo),  w_nk = softmax_k(-T (x_n - k)^2),
///   p_k = mean_n w_nk,  H = -sum_k p_k log2 p_k.
/// An instance keeps what the derivative needs from one call to the next; with as many values as
/// before it allocates nothing.
class SoftEntropy {
 public:
  explicit SoftEntropy(SoftBins bins);

  /// H with lo, hi the least and the greatest value; 0 where they are equal.
  double forward(std::span<const float> a);
  /// H with this range, within which all values lie.
  double forward(std::span<const float> a, float lo, float hi);
  /// g_n = factor * dH/da_n after forward(a). A differentiable range adds its part at the least and
  /// the greatest value, in equal shares where there are several.
  void backward(std::span<const float> a, double factor, std::span<float> g) const;
  /// The same after forward(a, lo, hi); returns factor * dH/dhi for values that stay (0 where the
  /// range is not to be differentiated).
  double backward_in_range(double factor, std::span<float> g) const;

  const std::vector<double>& p() const { return p_; }

 private:
  SoftBins bins_;
  float lo_ = 0, hi_ = 0;
  std::vector<float> x_, log2_p_;
  std::vector<double> p_, partial_;
};

/// A subset of a tensor's values: one drawn from each of max(minimum, fraction * n) cells of equal
/// size; all values where there are no more. What is drawn is a pure function of seed, name and
/// step: set `step` before each replay.
struct ValueSample {
  double fraction = 1;
  std::int64_t minimum = 4096;
  std::uint64_t seed = 0;
  std::string name = {};
  Scalar step = 0;

  std::int64_t count(std::int64_t n) const;
  /// Positions in memory, ascending; indices.size() is count(n).
  void draw(std::int64_t n, std::span<std::int64_t> indices) const;
};

/// H of the sampled values of x (f32 or bf16), between their least and greatest: a scalar, bits per
/// value.
Variable soft_entropy(const Variable& x, const SoftBins& bins, const ValueSample& sample = {});

}  // namespace bitwright
