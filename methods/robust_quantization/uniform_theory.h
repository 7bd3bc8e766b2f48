#pragma once
// What the paper's analysis says about quantizing a uniform tensor (section 3 of arXiv:2002.07686):
// the reason for pulling weights towards that shape.

#include <cmath>

namespace bitwright::kure {

/// Mean squared error of X ~ U[-a, a] under 2^M cells of width delta around zero, as the paper's
/// lemma has it: inside the cells delta^2 / 12, outside the distance to the last cell's end. (The
/// last level lies half a cell further inside, so that beyond the optimum the true error is
/// larger.)
inline double uniform_mse(double a, int bits, double delta) {
  const double clip = std::ldexp(delta, bits - 1), outside = a - clip;
  return outside * outside * outside / (3 * a) + std::ldexp(delta * delta * delta, bits) / (24 * a);
}

/// The step with the least such error: 2 a / (2^M + 1).
inline double uniform_step(double a, int bits) { return 2 * a / (std::ldexp(1.0, bits) + 1); }

}  // namespace bitwright::kure
