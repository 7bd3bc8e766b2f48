#pragma once
// Hard concrete gates (Louizos, Welling, Kingma: Learning Sparse Neural Networks through L0
// Regularization, ICLR 2018, arXiv:1712.01312), one for each level of a grid above the first.

#include <array>
#include <span>

#include "grid.h"

namespace bitwright::bit_drop {

/// The stretched, clipped sigmoid; constants of the published L0 code.
struct HardConcrete {
  double gamma = -0.1;
  double zeta = 1.1;
  double beta = 2.0 / 3.0;

  /// sbar = s (zeta - gamma) + gamma, s = sigmoid((ln u - ln(1 - u) + ln a) / beta), u in (0, 1).
  double stretched(double ln_a, double u) const;
  /// z = min(1, max(0, sbar)).
  double sample(double ln_a, double u) const;
  /// dz / d ln a of that sample: 0 where it is clipped.
  double slope(double ln_a, double u) const;
  /// clamp(sigmoid(ln a) (zeta - gamma) + gamma, 0, 1): the gate without noise.
  double deterministic(double ln_a) const;
  /// ln a -> P(z != 0) = sigmoid(ln a + shift()).
  double shift() const;
  double probability(double ln_a) const;
  /// The ln a with P(z != 0) = p, 0 < p < 1.
  double location(double p) const;
};

/// The gates z_2 .. z_b of one tensor in one step.
struct Gates {
  std::array<double, kMostBits> z = {};      ///< element k - 2 is z_k
  std::array<double, kMostBits> slope = {};  ///< dz_k / d ln a_k
  int count = 0;                             ///< b - 1

  /// From ln a and as many uniform numbers in [0, 1), moved into [1e-6, 1 - 1e-6].
  static Gates sample(const HardConcrete& law, std::span<const float> ln_a,
                      std::span<const double> uniform);
  /// m_k = z_2 ... z_k.
  Masks masks() const;
  /// dL / d ln a from dL / dm by level (element k - 1 for level k).
  void pull_back(std::span<const double> by_level, std::span<float> gradient) const;
};

/// Bits of the layer as it is exported: 1 + the number of leading gates whose deterministic value
/// is above 0.
int exported_bits(const HardConcrete& law, std::span<const float> ln_a);

}  // namespace bitwright::bit_drop
