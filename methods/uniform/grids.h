#pragma once
// Where the plain quantizers put their levels.

#include <bitwright/quant/fake_quantize.h>
#include <bitwright/quant/row_statistics.h>
#include <bitwright/tensor/tensor.h>

namespace bitwright::uniform_grid {

enum class Kind { symmetric, asymmetric, ternary };

struct GridRule {
  Kind kind = Kind::symmetric;
  int bits = 8;
  bool per_channel = false;
  bool power_of_two = false;  ///< scales are rounded to the nearest power of two
};

/// 2^round(log2 scale)
float nearest_power_of_two(float scale);

/// A row whose codes cover [low, high].
///   symmetric   -(2^(b-1) - 1) .. 2^(b-1) - 1, scale = max(|low|, |high|) / (2^(b-1) - 1)
///   asymmetric  2^b codes around an integer zero point; scale = (high - low) / (2^b - 1), the
///               range being widened to hold 0
/// `rule.bits` is at least 2 where the kind is symmetric.
Grid::Row row_over(const Extremes& range, const GridRule& rule);

/// The grid of a weight: over its extremes; 1 bit: sign with scale mean |w| (XNOR-Net,
/// arXiv:1603.05279); ternary: threshold 0.7 mean |w|, scale the mean of |w| above it (ternary
/// weight networks, arXiv:1605.04711). Rows without any weight but 0 have scale 1.
void set_grid(const Tensor& w, const GridRule& rule, Grid& grid);

}  // namespace bitwright::uniform_grid
