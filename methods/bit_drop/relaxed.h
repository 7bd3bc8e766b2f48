#pragma once
// Relaxed Quantization (Louizos, Reisser, Blankevoort, Gavves, Welling; arXiv:1810.01875): a sample
// of the cell masses, softened by a temperature.
//
// A Gumbel number is -ln t with t = -ln u, an exponentially distributed time, so that
//   z = softmax((ln pi + gumbel) / lambda_T) is proportional to (pi / t)^(1 / lambda_T).

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

#include <bitwright/core/rng.h>

#include "cells.h"

namespace bitwright::bit_drop {

/// ln x for x > 0 and not denormal, within 1e-7 of max(1, |ln x|), without branch or call; of 0 a
/// number below -87.
inline float logarithm(float x) {
  // x = 2^e m with m in [sqrt(1/2), sqrt(2)); ln(1 + f) = f - f^2 / 2 + f^3 p(f), p interpolated
  // at the Chebyshev nodes.
  constexpr std::int32_t root_of_half = 0x3f3504f3;
  const auto bits = std::bit_cast<std::int32_t>(x);
  const std::int32_t e = (bits - root_of_half) >> 23;
  const float f = std::bit_cast<float>(bits - (e << 23)) - 1.0f;
  float p = -0.079027459025383f;
  p = p * f + 0.12622320652008057f;
  p = p * f - 0.12998183071613312f;
  p = p * f + 0.14214496314525604f;
  p = p * f - 0.166412815451622f;
  p = p * f + 0.20001044869422913f;
  p = p * f - 0.25000306963920593f;
  p = p * f + 0.3333333134651184f;
  const float z = f * f, n = static_cast<float>(e);
  return n * 0.693359375f + ((z * f * p - 0.5f * z) + n * -2.12194440e-4f + f);
}
inline double logarithm(double x) { return std::log(x); }

/// Numbers of one element, as many as there are points.
template <int N>
inline std::array<std::uint32_t, N> draws(const Rng& noise, std::int64_t element) {
  constexpr int kBlocks = (N + 3) / 4;
  std::array<std::uint32_t, N> all;
  for (int b = 0; b < kBlocks; ++b) {
    const auto words = noise.block(static_cast<std::uint64_t>(element * kBlocks + b));
    for (int j = 4 * b; j < std::min(N, 4 * b + 4); ++j)
      all[static_cast<std::size_t>(j)] = words[static_cast<std::size_t>(j - 4 * b)];
  }
  return all;
}

/// t = -ln u of a word; u has 23 bits and is never 0 or 1.
inline float time_of(std::uint32_t word) {
  const float u = (static_cast<float>(static_cast<std::int32_t>(word >> 9)) + 0.5f) * 0x1p-23f;
  return -logarithm(u);
}

/// z of one value, as moments; the sum of weights is 1.
template <class Real>
struct Relaxed {
  Moments<Real> z;
  Real hard = 0;  ///< k of the largest z: the sample itself

  /// xhat / alpha: sum z_i G_i, or the code of the sample.
  Real code(const Spot<Real>& at, bool straight_through) const {
    return at.pivot + (straight_through ? hard : z.k);
  }
};

/// `time(j)` is t of point j; `Plain`: the temperature is 1. Points further than `radius` codes
/// from the cell of x take no part (a local grid); ties of the sample go to the lower code.
template <bool Plain, class Real, int N, bool Local, class Time>
inline Relaxed<Real> relax(const Cells<Real, N, Local>& c, const Spot<Real>& at, const Time& time,
                           Real temperature, [[maybe_unused]] Real radius) {
  std::array<Real, N> odds, X, H;
  Mode<Real> first;
  for_cells<false>(c, at, [&](auto j, Real r, Real x, Real h) {
    const Real k = Real(c.kFirst + j);
    bool near = true;
    if constexpr (Local) near = (k <= radius) & (-k <= radius);
    odds[j] = near ? r / time(j) : 0;
    X[j] = x, H[j] = h;
    first.offer(odds[j], k, x, h);
  });
  Relaxed<Real> sample;
  const Real unit = 1 / first.w;
  [[maybe_unused]] const Real power = 1 / temperature;
  unrolled<N>([&](auto j) {
    const Real share = odds[j] * unit;
    Real w = share;
    if constexpr (!Plain) w = exponential(power * logarithm(share));
    sample.z.add(w, Real(c.kFirst + j), X[j], H[j]);
  });
  const Real f = 1 / sample.z.w;
  Moments<Real>& z = sample.z;
  z = {1, z.k * f, z.x * f, z.kx * f, z.kkx * f, z.h * f, z.kh * f};
  sample.hard = first.k;
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
