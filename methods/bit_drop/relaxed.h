#pragma once
// Relaxed Quantization (Louizos, Reisser, Blankevoort, Gavves, Welling; arXiv:1810.01875): a sample
// of the cell masses, softened by a temperature.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include <bitwright/core/rng.h>

#include "cells.h"

namespace bitwright::bit_drop {

/// -ln(-ln u) of element i's own numbers, u of 23 bits and never 0 or 1.
template <class Real, int N>
inline std::array<Real, N> gumbels(const Rng& noise, std::int64_t i) {
  constexpr int kBlocks = (N + 3) / 4;
  std::array<Real, N> all;
  for (int b = 0; b < kBlocks; ++b) {
    const auto words = noise.block(static_cast<std::uint64_t>(i * kBlocks + b));
    for (int j = 4 * b; j < std::min(N, 4 * b + 4); ++j) {
      const Real u =
          (static_cast<Real>(words[static_cast<std::size_t>(j - 4 * b)] >> 9) + Real(0.5)) *
          Real(0x1p-23);
      all[static_cast<std::size_t>(j)] = -std::log(-std::log(u));
    }
  }
  return all;
}

/// z = softmax((ln pi + gumbel) / lambda_T) of one value, as moments; w is 1.
template <class Real>
struct Relaxed {
  Moments<Real> z;
  Real hard = 0;  ///< k of the largest z: the sample itself

  /// xhat / alpha: sum z_i G_i, or the code of the sample.
  Real code(const Spot<Real>& at, bool straight_through) const {
    return at.pivot + (straight_through ? hard : z.k);
  }
};

/// Points further than `radius` codes from the cell of x take no part (a local grid); ties of the
/// sample go to the lower code.
template <class Real, int N, bool Local>
inline Relaxed<Real> relax(const Cells<Real, N, Local>& c, const Spot<Real>& at,
                           const std::type_identity_t<std::array<Real, N>>& gumbel,
                           Real temperature, Real radius) {
  std::array<Real, N> logit, X, H;
  for_cells<false>(c, at, [&](auto j, Real r, Real x, Real h) {
    const bool near = !Local || std::abs(Real(c.kFirst + j)) <= radius;
    logit[j] = near ? (std::log(r) + gumbel[j]) / temperature : -INFINITY;
    X[j] = x, H[j] = h;
  });
  int best = 0;
  for (int j = 1; j < N; ++j)
    if (logit[static_cast<std::size_t>(j)] > logit[static_cast<std::size_t>(best)]) best = j;
  Relaxed<Real> sample;
  for (int j = 0; j < N; ++j) {
    const auto i = static_cast<std::size_t>(j);
    sample.z.add(std::exp(logit[i] - logit[static_cast<std::size_t>(best)]),
                 static_cast<Real>(c.kFirst + j), X[i], H[i]);
  }
  const Real f = 1 / sample.z.w;
  Moments<Real>& z = sample.z;
  z = {1, z.k * f, z.x * f, z.kx * f, z.kkx * f, z.h * f, z.kh * f};
  sample.hard = static_cast<Real>(c.kFirst + best);
  return sample;
}

/// sum_i g_i dz_i/dt = covariance under z of g and dl/dt, over lambda_T; then sum_i z_i dg_i/dalpha
/// is the emitted code.
template <class Real, int N, bool Local>
inline Slopes<Real> relaxed_slopes(const Cells<Real, N, Local>& c, const Spot<Real>& at,
                                   const Relaxed<Real>& sample, Real temperature,
                                   bool straight_through) {
  Real dx, dalpha;
  all_classes(c, at, sample.z, true, dx, dalpha);
  return Slopes<Real>::of(dx / temperature, dalpha / temperature, sample.code(at, straight_through),
                          at.x, c.alpha, c.inverse_sigma);
}

}  // namespace bitwright::bit_drop
