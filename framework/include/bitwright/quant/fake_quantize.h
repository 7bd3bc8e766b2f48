#pragma once
// Fake quantization: values are rounded to a grid and stay floating numbers; the gradient passes
// the rounding by a straight-through estimator. Rows are output channels (axis 0) where a grid,
// step or threshold has one number per channel, else the whole tensor is one row. x may be f32 or
// bf16, and y has its type; in bf16 the points of the grid are rounded to it. Each op reads and
// writes a tensor once in the forward pass and once in the backward pass.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <bitwright/autograd/variable.h>
#include <bitwright/quant/coded.h>

namespace bitwright {

/// How v = x / scale becomes a code.
///   nearest  the nearest integer, ties to even, kept in [low, high]
///   sign     -1 or 1, never 0; sign(0) = -1
///   ternary  sign(v) where |v| > threshold, else 0
enum class Rounding { nearest, sign, ternary };

/// The codes of a uniform quantizer.
struct Codes {
  Rounding rounding = Rounding::nearest;
  float low = 0, high = 0;
  float threshold = 0;  ///< of ternary, in units of the scale

  /// [-2^(b-1), 2^(b-1) - 1]; 1 bit: sign.
  static Codes twos_complement(int bits);
  /// [-(2^(b-1) - 1), 2^(b-1) - 1]; 1 bit: sign.
  static Codes symmetric(int bits);
  /// [0, 2^b - 1]
  static Codes natural(int bits);

  float of(float v) const;  ///< the code of v = x / scale; NaN stays NaN
  int bits() const;         ///< that store a code
};

/// A scale and codes per row; without rows, or where a scale is 0, it is not known yet and x passes
/// as it is.
struct Grid {
  struct Row {
    float scale = 0;
    Codes codes;
  };
  std::vector<Row> rows;
};

/// What stands in for the derivative of rounding, v = x / scale:
///   identity    dx = dy
///   clipped     dx = dy where low <= v <= high, else 0
///   polynomial  dx = dy max(0, 2 - 2 |v|): of sign only (Liu et al. 2018, Bi-Real Net)
enum class Estimator { identity, clipped, polynomial };
const std::vector<std::string>& estimator_names();
Estimator estimator_named(std::string_view name);

/// Is given every batch before it is quantized, such as to let a range follow it.
using Observe = std::function<void(const Tensor& x)>;

/// y = scale * code. The grid is read at every replay; its rows are 1, or the output channels.
Variable fake_quantize(const Variable& x, std::shared_ptr<const Grid> grid, Estimator estimator,
                       Observe observe = {});

/// Learned step size quantization (Esser et al. 2020, arXiv:1902.08153, section 2): y = s code(x /
/// s) with s = step, f32 [1] or one per output channel. With v = x / s, inside meaning low < v <
/// high (of a sign -1 and 1):
///   dx = dy inside, else 0;   ds = gradient_scale * sum of dy (code - v inside, else code)
/// A step of 0 is not known yet: x passes, and ds = 0.
Variable learned_step(const Variable& x, const Variable& step, const Codes& codes,
                      double gradient_scale, Observe observe = {});

/// Parameterized clipping activation (Choi et al. 2018, arXiv:1805.06085, section 3): y =
/// round(c n / a) a / n with c = min(max(x, 0), a), a = clip > 0, f32 [1], and n = 2^bits - 1.
///   dx = dy where 0 <= x < a, else 0;   da = sum of dy where x >= a
Variable learned_clip(const Variable& x, const Variable& clip, int bits);

/// Weights of DoReFa-Net (Zhou et al. 2016, arXiv:1606.06160, section 2); f32. With t =
/// tanh(x), M = max |t| and n = 2^bits - 1:
///   y = 2 round(n (t / 2M + 1/2)) / n - 1;   dx = the gradient of t / M, M included
/// 1 bit: y = sign(x) mean |x|, sign(0) = -1; dx = dy.
Variable tanh_quantize(const Variable& x, int bits);

// The same on tensors, as a deployed weight is stored. Values are those of the ops' forward, bit
// for bit, but where rows have zero points of their own, which round once more.
Coded code_on_grid(const Tensor& x, const Grid& grid);
Coded code_by_tanh(const Tensor& x, int bits);
/// A grid that has these scales, one per row.
Grid grid_of(const Tensor& scales, const Codes& codes);

}  // namespace bitwright
