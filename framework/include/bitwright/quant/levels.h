#pragma once
// The numbers that quantized elements may take, and which of them stands for a given number.

#include <cstdint>
#include <span>
#include <vector>

#include <bitwright/tensor/tensor.h>

namespace bitwright {

/// Levels of a group of elements: a tensor, or one of its output channels. Codes run from `first`
/// to `last`. Level of a code:
///   step * code + offset     an affine grid, computed in f32, where there is no book, else
///   book[code - first]       a code book, ascending
/// A number is clipped to the levels first and then rounded: to the nearest level, ties to even
/// codes; with a book, to the level whose part of the line, cut at `bounds`, it lies in.
struct Levels {
  std::int32_t first = 0, last = 0;
  double step = 1;                 ///< Delta; with a book, the scale that its levels share
  double offset = 0;               ///< of an affine grid
  std::vector<float> book = {};    ///< one level for each code
  std::vector<float> bounds = {};  ///< one less: from bounds[k] on, code first + k + 1
  float tanh_gain = 0;  ///< not 0: what is rounded is not x but tanh_gain * tanh(x) (DoReFa)

  std::int64_t count() const { return std::int64_t{last} - first + 1; }
  float value(std::int32_t code) const;
  std::vector<float> values() const;  ///< of all codes, in their order
  std::int32_t code(float x) const;

  /// What is rounded in the place of x: x, or its scaled tanh. May work in place.
  void prepare(std::span<const float> x, std::span<float> out) const;
  /// out[i] = the level of x[i]. May work in place.
  void quantize(std::span<const float> x, std::span<float> out) const;
  /// The same for a tensor of f32 or bf16 in any layout; levels are rounded to its type. Not for
  /// levels with a tanh.
  void quantize(const Tensor& x, Tensor& out) const;
  /// Mean of |level of x - x|^p, p > 0.
  double error(std::span<const float> x, double p) const;

  static Levels affine(std::int32_t first, std::int32_t last, double step, double offset);
  /// Cut half-way between neighbours.
  static Levels nearest(std::vector<float> book, double scale);
};

/// The power of two nearest to a step on a logarithmic scale: 2^round(log2 step).
double power_of_two_step(double step);

}  // namespace bitwright
