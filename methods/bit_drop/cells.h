#pragma once
// One value x on the grid: the masses of the cells around it and their derivatives.
//
// x is the location of a logistic distribution with scale sigma; s is the logistic function. Point
// i of the grid stands at g_i = alpha G_i and owns the cell between the edges
//   u-_i = (g_i - alpha/2 - x) / sigma   and   u+_i = (g_i + alpha/2 - x) / sigma,
// whose mass is raw_i = s(u+_i) - s(u-_i) = (1 - q) s(u+_i) s(-u-_i) with q = e^(-alpha/sigma). The
// product does not cancel where both edges are far from x; r_i below is s(u+_i) s(-u-_i).
//
// With A = s(-u+_i) and B = s(u-_i), the derivatives of l_i = ln r_i are
//   dl/dx = -(A - B) / sigma,   dl/dalpha = (A (G + 1/2) - B (G - 1/2)) / sigma.
// With X = A - B, H = (A + B) / 2, the code written as G = p + k around a pivot p, and W = k X + H:
//   dl/dx = -X / sigma,         dl/dalpha = (W + p X) / sigma.
// The masses do not change when x, alpha and sigma grow together, so the third derivative of
// everything made of them is d/dsigma = -(x d/dx + alpha d/dalpha) / sigma.
//
// Everything is a template over the number type and free of branches: float for the loops, which
// the compiler vectorises over x, and double for tests.

#include <array>
#include <cmath>
#include <utility>

#include <bitwright/core/vector_math.h>

#include "grid.h"

namespace bitwright::bit_drop {

inline float exponential(float x) { return vector_exp(x); }
inline double exponential(double x) { return std::exp(x); }

/// f(0), f(1) .. f(N - 1), each with the number as a type.
template <int N, class F>
inline void unrolled(F&& f) {
  [&]<int... J>(std::integer_sequence<int, J...>) { (f(std::integral_constant<int, J>{}), ...); }
  (std::make_integer_sequence<int, N>{});
}

/// The cell of v = x / alpha: nearest code, the lower one of two (before clipping).
template <class Real>
inline Real nearest_code(Real v) {
  return std::ceil(v - Real(0.5)) + Real(0);  // + 0: no negative zero
}

template <class Real>
inline Real clip(Real v, Real low, Real high) {
  return v < low ? low : (v > high ? high : v);
}

/// What the cells of all values of a tensor share. Of N points either all of a grid, k from -N/2,
/// or (Local) the N around the cell of x, k from -(N-1)/2, those beyond the grid's ends empty.
template <class Real, int N, bool Local>
struct Cells {
  static constexpr int kPoints = N;
  static constexpr bool kLocal = Local;
  static constexpr int kFirst = Local ? -(N - 1) / 2 : -N / 2;

  Real alpha = 1, sigma = 1, inverse_sigma = 1;
  Real ratio = 1;            ///< alpha / sigma
  Real q = 0;                ///< e^(-alpha / sigma)
  Real first = 0, last = 0;  ///< codes that are alive
  Real middle = 0;           ///< the pivot of a whole grid
  /// e^(-alpha (k - 1/2) / sigma) of the edges: the odds of lying above them, at x = g_p.
  std::array<Real, N + 1> edge = {};
  std::array<Real, N> mask = {};           ///< m of a whole grid's points
  std::array<Real, kMostBits> level = {};  ///< m by level, for those of a large grid

  Cells(const Grid& grid, Real step, Real scale, const Masks& masks)
      : alpha(step), sigma(scale), inverse_sigma(1 / scale), ratio(step / scale) {
    q = std::exp(-ratio);
    const int alive = grid.is_signed ? masks.alive(grid.bits) : grid.bits;
    const Grid rest{alive, grid.is_signed};
    first = static_cast<Real>(rest.first()), last = static_cast<Real>(rest.last());
    middle = static_cast<Real>(grid.first() - kFirst);
    for (int j = 0; j <= N; ++j)
      edge[static_cast<std::size_t>(j)] =
          std::exp(-ratio * (static_cast<Real>(kFirst + j) - Real(0.5)));
    for (std::size_t l = 0; l < kMostBits; ++l) level[l] = static_cast<Real>(masks.m[l]);
    for (int j = 0; j < N && !Local; ++j)
      mask[static_cast<std::size_t>(j)] =
          grid.is_signed ? static_cast<Real>(masks.of_level(level_of(grid.first() + j))) : Real(1);
  }
};

/// Whether a code needs no more than l bits. Conditions are joined by & here and below: && would be
/// a branch.
template <class Real>
inline bool within_level(Real code, int l) {
  const auto bound = static_cast<Real>(1 << (l - 1));
  return (code >= -bound) & (code < bound);
}

/// m of a code of a large grid.
template <class Real, int N>
inline Real mask_of(const Cells<Real, N, true>& c, Real code) {
  Real m = c.level[kMostBits - 1];
  unrolled<kMostBits - 1>([&](auto j) {
    constexpr int l = kMostBits - 1 - j;
    m = within_level(code, l) ? c.level[l - 1] : m;
  });
  return m;
}

/// A value among its cells. Further than 30 sigma outside the living grid the probabilities have
/// reached their limits, so x stays there.
template <class Real>
struct Spot {
  Real x, pivot, y;  ///< y = (x - alpha p) / sigma

  template <int N, bool Local>
  Spot(const Cells<Real, N, Local>& c, Real value) {
    const Real reach = 30 * c.sigma;
    x = clip(value, c.alpha * (c.first - Real(0.5)) - reach,
             c.alpha * (c.last + Real(0.5)) + reach);
    pivot = Local ? clip(nearest_code(x / c.alpha), c.first, c.last) : c.middle;
    y = (x - c.alpha * pivot) * c.inverse_sigma;
  }
};

/// Calls visit(j, m_i r_i, X, H) for every point j, in ascending order. `Graded`: masks may lie
/// between 0 and 1.
template <bool Graded, class Real, int N, bool Local, class Visit>
inline void for_cells(const Cells<Real, N, Local>& c, const Spot<Real>& at, Visit&& visit) {
  const Real t = exponential(at.y);
  // Of an edge: the mass below it, s(u) = 1 / (1 + odds), and above it, s(-u).
  const auto split = [t](Real edge, Real& below, Real& above) {
    const Real odds = t * edge;
    below = 1 / (1 + odds);
    above = odds < 1 ? odds * below : 1 - below;
  };
  Real below, above;
  split(c.edge[0], below, above);
  unrolled<N>([&](auto j) {
    Real next_below, next_above;
    split(c.edge[j + 1], next_below, next_above);
    Real r = next_below * above;
    if constexpr (Local) {
      const Real code = at.pivot + Real(c.kFirst + j);
      const bool inside = (code >= c.first) & (code <= c.last);
      if constexpr (Graded) r *= mask_of(c, code);
      r = inside ? r : 0;
    } else {
      r *= c.mask[j];
    }
    visit(j, r, next_above - below, Real(0.5) * (next_above + below));
    below = next_below, above = next_above;
  });
}

/// Sums over the points, weighted with w: of 1, k, X, k X, k^2 X, H, k H.
template <class Real>
struct Moments {
  Real w = 0, k = 0, x = 0, kx = 0, kkx = 0, h = 0, kh = 0;

  void add(Real weight, Real at, Real X, Real H) {
    const Real wk = weight * at, wkX = wk * X;
    w += weight;
    k += wk;
    x += weight * X;
    kx += wkX;
    kkx += at * wkX;
    h += weight * H;
    kh += wk * H;
  }
};

/// dxhat/dx, /dalpha and /dsigma; the second also has G of the emitted point.
template <class Real>
struct Slopes {
  Real x = 0, alpha = 0, sigma = 0;

  /// From those of a sum of masses times constants: adds the emitted code, and d/dsigma.
  static Slopes of(Real dx, Real dalpha, Real code, Real x, Real alpha, Real inverse_sigma) {
    return {dx, dalpha + code, -(x * dx + alpha * dalpha) * inverse_sigma};
  }
};

/// sum_i g_i dpt_i/dt with pt_i = w_i / sum_j w_j: alpha / sigma times the covariance of k with the
/// derivatives of l. Without `truncate`, sum_i g_i draw_i/dt.
template <class Real, int N, bool Local>
inline void all_classes(const Cells<Real, N, Local>& c, const Spot<Real>& at,
                        const Moments<Real>& s, bool truncate, Real& dx, Real& dalpha) {
  const Real p = at.pivot;
  if (truncate) {
    const Real f = 1 / (s.w > Real(1e-30) ? s.w : Real(1e-30));
    const Real mean_k = s.k * f;
    const Real with_x = s.kx * f - mean_k * (s.x * f);
    const Real with_w = (s.kkx + s.kh) * f - mean_k * ((s.kx + s.h) * f);
    dx = -c.ratio * with_x;
    dalpha = c.ratio * (with_w + p * with_x);
  } else {
    const Real gx = p * s.x + s.kx;  // sum of G r X
    dx = -c.ratio * (1 - c.q) * gx;
    dalpha =
        c.ratio * ((1 - c.q) * (p * gx + p * (s.kx + s.h) + s.kkx + s.kh) + c.q * (p * s.w + s.k));
  }
}

/// The point with the largest weight; the lowest of equals.
template <class Real>
struct Mode {
  Real w = -1, k = 0, x = 0, h = 0;

  void offer(Real weight, Real at, Real X, Real H) {
    const bool better = weight > w;
    w = better ? weight : w;
    k = better ? at : k;
    x = better ? X : x;
    h = better ? H : h;
  }
};

/// g_* dpt_*/dt of the mode alone; without `truncate`, g_* draw_*/dt.
template <class Real, int N, bool Local>
inline void mode_only(const Cells<Real, N, Local>& c, const Spot<Real>& at, const Moments<Real>& s,
                      const Mode<Real>& best, bool truncate, Real& dx, Real& dalpha) {
  const Real p = at.pivot, code = p + best.k;
  const Real W = best.k * best.x + best.h;
  if (truncate) {
    const Real f = 1 / (s.w > Real(1e-30) ? s.w : Real(1e-30));
    const Real scale = c.ratio * code * (best.w * f);
    const Real X = best.x - s.x * f;
    dx = -scale * X;
    dalpha = scale * (W - (s.kx + s.h) * f + p * X);
  } else {
    const Real scale = c.ratio * code * best.w;
    dx = -scale * (1 - c.q) * best.x;
    dalpha = scale * ((1 - c.q) * (W + p * best.x) + c.q);
  }
}

}  // namespace bitwright::bit_drop
