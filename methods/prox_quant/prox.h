#pragma once
// The proximal map of binary ProxQuant (Bai, Wang, Liberty; ICLR 2019, arXiv:1810.00861).

#include <algorithm>
#include <cmath>

namespace bitwright::prox_quant {

/// prox_t of the W-shaped regularizer | |x| - 1 |: moves x by t towards the nearer of -1 and 1, and
/// stops there. 0 is equally far from both and stays.
inline float binary_prox(float x, float t) {
  const float sign = static_cast<float>((x > 0) - (x < 0));
  const float excess = std::fabs(x) - 1.0f;
  return sign * (1.0f + std::copysign(std::max(std::fabs(excess) - t, 0.0f), excess));
}

}  // namespace bitwright::prox_quant
