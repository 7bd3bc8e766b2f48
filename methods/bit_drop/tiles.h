#pragma once
// How loops run over a tensor. Sums run over chunks of fixed size, inside them over tiles; a tile
// of bf16 is widened to float on the way in and rounded on the way out, so that kernels know float
// only.
//
// Kernels that keep arrays per value take their cells by value and say ivdep: under omp simd GCC
// turns such arrays into arrays of lanes, which it then does not vectorise.

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "cells.h"
#include "quantizer.h"

namespace bitwright::bit_drop {

inline constexpr int kTile = 256;
inline constexpr std::int64_t kChunk = 64 * kTile;

/// A tile's values as floats.
template <class T>
struct Widened {
  float values[kTile];
  const float* of(const T* x, int n) {
    for (int j = 0; j < n; ++j) values[j] = float(x[j]);
    return values;
  }
};
template <>
struct Widened<float> {
  const float* of(const float* x, int) { return x; }
};

/// Where a tile's results go: `place` to be written, `finish` moves them to y.
template <class T>
struct Narrowed {
  float values[kTile];
  float* place(T*) { return values; }
  void finish(T* y, int n) {
    for (int j = 0; j < n; ++j) y[j] = T(values[j]);
  }
};
template <>
struct Narrowed<float> {
  float* place(float* y) { return y; }
  void finish(float*, int) {}
};

inline bool is_sampled(const GridQuantizer& q) {
  return q.estimator == Estimator::rq || q.estimator == Estimator::rq_st;
}

/// The part of the grid that masks leave.
inline Grid living(const Grid& grid, const Masks& masks) {
  return grid.is_signed ? Grid{masks.alive(grid.bits), true} : grid;
}

/// Points within 3 sigma of the nearest one, above 4 bits; the last factor is for rounding.
template <class C>
float radius_of(const C& c, const GridQuantizer& q) {
  return q.grid.bits > 4 ? 3 / c.ratio * 1.00001f : float(C::kPoints);
}

/// f(cells) with the cells that fit: all of a small grid (8 points; 16 for samples) while the odds
/// of its edges are floats for every x up to 30 sigma outside; else three on both sides of the
/// value's own.
template <bool Sampled, class F>
auto with_cells(const GridQuantizer& q, const Scales& s, const F& f) {
  constexpr float kLargestExponent = 85 - 30;
  const int points = q.grid.points();
  if (s.alpha / s.sigma * static_cast<float>(points / 2) < kLargestExponent) {
    if (points == 4) return f(Cells<float, 4, false>(q.grid, s.alpha, s.sigma, s.masks));
    if (points == 8) return f(Cells<float, 8, false>(q.grid, s.alpha, s.sigma, s.masks));
    if constexpr (Sampled)
      if (points == 16) return f(Cells<float, 16, false>(q.grid, s.alpha, s.sigma, s.masks));
  }
  return f(Cells<float, 7, true>(q.grid, s.alpha, s.sigma, s.masks));
}

}  // namespace bitwright::bit_drop
