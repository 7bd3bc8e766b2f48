#pragma once
// Quantizers after training: from numbers and a width to levels. They learn nothing; width, step
// and the range they were given can be changed at any time, for evaluating one network many times.
//
//   const auto quantizer = registries.quantizers.make(settings);       // name: mid_rise ...
//   const auto ranges = weight_ranges(*quantizer, w, 4);
//   quantize_weight(*quantizer, ranges, {.bits = 4, .step_ratio = 1.1}, w, out);

#include <string_view>
#include <vector>

#include <bitwright/quant/levels.h>
#include <bitwright/quant/range.h>

namespace bitwright {

/// How finely numbers are represented.
struct Precision {
  int bits = 8;               ///< of a code
  double step_ratio = 1;      ///< r: Delta, and with it the clip, becomes r Delta
  bool power_of_two = false;  ///< then Delta becomes the nearest power of two, with it the clip
};

/// Bits that a code may have.
struct Widths {
  int least = 1, most = 16;
};

class Quantizer {
 public:
  virtual ~Quantizer() = default;
  virtual std::string_view name() const = 0;
  virtual Widths widths() const = 0;
  /// Whether weights have levels for each output channel, rather than for the tensor.
  virtual bool per_channel() const { return false; }
  /// Whether it can stand for activations, which come without a tensor to look at as a whole.
  virtual bool quantizes_activations() const { return true; }

  /// The range of numbers at a width, by the quantizer's rule.
  virtual Range range(const Observed& x, int bits) const = 0;
  /// Levels of a range. `precision.bits` lies within widths().
  Levels levels(const Range& range, const Precision& precision) const;

 protected:
  /// Levels with `factor` times the step (and clip) that the range has.
  virtual Levels scaled_levels(const Range& range, double factor, int bits) const = 0;
};

/// The ranges of a weight: one, or one for each output channel (axis 0).
std::vector<Range> weight_ranges(const Quantizer& quantizer, const Tensor& weight, int bits);

/// Writes the quantized weight. With `bias_correction`, the mean of each output channel is then set
/// back to what it was before rounding (Finkelstein et al. 2019; LAPQ), off the levels.
void quantize_weight(const Quantizer& quantizer, const std::vector<Range>& ranges,
                     const Precision& precision, bool bias_correction, const Tensor& weight,
                     Tensor& out);

}  // namespace bitwright
