#include "quantizer.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include <bitwright/core/bfloat16.h>
#include <bitwright/core/parallel.h>

#include "cells.h"
#include "relaxed.h"

namespace bitwright::bit_drop {
namespace {

// Sums run over chunks of fixed size, inside them over tiles: a tile's terms are written side by
// side in L1 and added there, which vectorises without reordering by thread.
constexpr int kTile = 256;
constexpr std::int64_t kChunk = 64 * kTile;

// Odds of edges must stay below float's e^88; beyond the grid x goes 30 sigma.
constexpr float kLargestExponent = 85 - 30;
constexpr int kLocalPoints = 7;  // three cells on both sides of the value's own

// Calls f with the cells that fit: all of a small grid, else those around the value.
template <class F>
auto with_cells(const GridQuantizer& q, const Scales& s, const F& f) {
  const bool sampled = q.estimator == Estimator::rq || q.estimator == Estimator::rq_st;
  const int points = q.grid.points();
  const bool whole = points <= (sampled ? 16 : 8) &&
                     s.alpha / s.sigma * static_cast<float>(points / 2) < kLargestExponent;
  if (whole && points == 4) return f(Cells<float, 4, false>(q.grid, s.alpha, s.sigma, s.masks));
  if (whole && points == 8) return f(Cells<float, 8, false>(q.grid, s.alpha, s.sigma, s.masks));
  if (whole && points == 16 && sampled)
    return f(Cells<float, 16, false>(q.grid, s.alpha, s.sigma, s.masks));
  return f(Cells<float, kLocalPoints, true>(q.grid, s.alpha, s.sigma, s.masks));
}

Grid living(const Grid& grid, const Masks& masks) {
  return grid.is_signed ? Grid{masks.alive(grid.bits), true} : grid;
}

// body(begin, end) on the tiles of [0, n); returns the sum of what it returns, a count.
template <class Body>
std::int64_t count_tiles(std::int64_t n, const Body& body) {
  return static_cast<std::int64_t>(
      parallel_sum(n, kChunk, [&](std::int64_t begin, std::int64_t end) {
        double total = 0;
        for (std::int64_t at = begin; at < end; at += kTile)
          total += body(at, static_cast<int>(std::min<std::int64_t>(kTile, end - at)));
        return total;
      }));
}

// -- forward ------------------------------------------------------------------------------------

template <class T>
int round_tile(float alpha, float first, float last, int n, const T* __restrict x,
               T* __restrict y) {
  int outside = 0;
#pragma omp simd reduction(+ : outside)
  for (int j = 0; j < n; ++j) {
    const float code = nearest_code(float(x[j]) / alpha);
    const float clipped = clip(code, first, last);
    outside += code != clipped;
    y[j] = T(alpha * clipped);
  }
  return outside;
}

// The mode under masks between 0 and 1.
template <class T, class C>
int mode_tile(const C& c, int n, const T* __restrict x, T* __restrict y) {
  int outside = 0;
#pragma omp simd reduction(+ : outside)
  for (int j = 0; j < n; ++j) {
    const Spot<float> at(c, float(x[j]));
    Mode<float> best;
    for_cells<true>(c, at, [&](auto k, float w, float X, float H) {
      best.offer(w, float(C::kFirst + k), X, H);
    });
    const float code = nearest_code(float(x[j]) / c.alpha);
    outside += code != clip(code, c.first, c.last);
    y[j] = T(c.alpha * (at.pivot + best.k));
  }
  return outside;
}

template <class C>
float radius_of(const C& c, const GridQuantizer& q) {
  // Points within 3 sigma of the nearest one; the last factor is for rounding.
  return q.grid.bits > 4 ? 3 / c.ratio * 1.00001f : float(C::kPoints);
}

// Times of a tile's elements, point by point.
template <int N>
struct Times {
  float t[N][kTile];

  Times(const Rng& noise, std::int64_t first, int n) {
    std::uint32_t words[N][kTile];
    for (int j = 0; j < n; ++j) {
      const auto drawn = draws<N>(noise, first + j);
      for (int k = 0; k < N; ++k) words[k][j] = drawn[static_cast<std::size_t>(k)];
    }
    for (int k = 0; k < N; ++k) {
#pragma omp simd
      for (int j = 0; j < n; ++j) t[k][j] = time_of(words[k][j]);
    }
  }
};

template <class T, class C>
int sample_tile(const C& c, const GridQuantizer& q, const Rng& noise, std::int64_t first, int n,
                const T* __restrict x, T* __restrict y) {
  const Times<C::kPoints> times(noise, first, n);
  const auto temperature = static_cast<float>(q.temperature);
  const float radius = radius_of(c, q);
  const bool hard = q.estimator == Estimator::rq_st;
  int outside = 0;
#pragma omp simd reduction(+ : outside)
  for (int j = 0; j < n; ++j) {
    const Spot<float> at(c, float(x[j]));
    const auto sample = relax(
        c, at, [&](auto k) { return times.t[k][j]; }, temperature, radius);
    y[j] = T(c.alpha * sample.code(at, hard));
    const float code = nearest_code(float(x[j]) / c.alpha);
    outside += code != clip(code, c.first, c.last);
  }
  return outside;
}

// -- backward -----------------------------------------------------------------------------------

// What one tile adds up: its terms by element.
struct Terms {
  float alpha[kTile], sigma[kTile];
  float level[kMostBits][kTile];
};

double total(const float* terms, int n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int j = 0; j < n; ++j) sum += terms[j];
  return sum;
}

template <class T>
void ste_tile(const Scales& s, float first, float last, int n, const T* __restrict x,
              const T* __restrict dy, T* __restrict dx, Terms& terms) {
  const float alpha = s.alpha;
#pragma omp simd
  for (int j = 0; j < n; ++j) {
    const float v = float(x[j]) / alpha, g = float(dy[j]);
    const float code = nearest_code(v), clipped = clip(code, first, last);
    const bool inside = code == clipped;
    dx[j] = T(inside ? g : 0.0f);
    terms.alpha[j] = g * (inside ? code - v : clipped);
    terms.sigma[j] = 0;
  }
}

// The default: all classes, truncated, masks 0 or 1.
template <class T, class C>
void cpq_tile(const C& c, int n, const T* __restrict x, const T* __restrict dy, T* __restrict dx,
              Terms& terms) {
#pragma omp simd
  for (int j = 0; j < n; ++j) {
    const Spot<float> at(c, float(x[j]));
    Moments<float> sums;
    for_cells<false>(
        c, at, [&](auto k, float r, float X, float H) { sums.add(r, float(C::kFirst + k), X, H); });
    float by_x, by_alpha;
    all_classes(c, at, sums, true, by_x, by_alpha);
    const float code = clip(nearest_code(float(x[j]) / c.alpha), c.first, c.last);
    const auto slopes = Slopes<float>::of(by_x, by_alpha, code, at.x, c.alpha, c.inverse_sigma);
    const float g = float(dy[j]);
    dx[j] = T(g * slopes.x);
    terms.alpha[j] = g * slopes.alpha;
    terms.sigma[j] = g * slopes.sigma;
  }
}

// The same for the mode alone, or without truncation.
template <class T, class C>
void cpq_variant_tile(const C& c, const GridQuantizer& q, int n, const T* __restrict x,
                      const T* __restrict dy, T* __restrict dx, Terms& terms) {
  const bool all = q.backward == Backward::all_classes, truncate = q.truncate;
  for (int j = 0; j < n; ++j) {
    const Spot<float> at(c, float(x[j]));
    Moments<float> sums;
    Mode<float> best;
    for_cells<false>(c, at, [&](auto k, float r, float X, float H) {
      sums.add(r, float(C::kFirst + k), X, H);
      best.offer(r, float(C::kFirst + k), X, H);
    });
    float by_x, by_alpha;
    if (all)
      all_classes(c, at, sums, truncate, by_x, by_alpha);
    else
      mode_only(c, at, sums, best, truncate, by_x, by_alpha);
    const auto slopes =
        Slopes<float>::of(by_x, by_alpha, at.pivot + best.k, at.x, c.alpha, c.inverse_sigma);
    const float g = float(dy[j]);
    dx[j] = T(g * slopes.x);
    terms.alpha[j] = g * slopes.alpha;
    terms.sigma[j] = g * slopes.sigma;
  }
}

// Of each level of the grid, sums of weights and of weights times k.
template <int Levels>
struct ByLevel {
  std::array<float, Levels> w = {}, k = {};

  template <class C>
  void add(const C&, float code, auto j, float weight) {
    unrolled<Levels>([&](auto l) {
      float part;
      if constexpr (C::kLocal) {
        constexpr float outer = static_cast<float>(1 << l), inner = l == 0 ? 0.0f : outer / 2;
        const bool here = code >= -outer && code < outer && !(code >= -inner && code < inner);
        part = here ? weight : 0.0f;
      } else {
        part = level_of(C::kFirst + j) == l + 1 ? weight : 0.0f;
      }
      w[l] += part;
      k[l] += part * float(C::kFirst + j);
    });
  }
};

template <class C>
constexpr int levels_of() {
  return C::kLocal ? kMostBits : level_of(C::kPoints / 2 - 1);
}

// Masks between 0 and 1, whose gradients are wanted too: for all classes
//   dxhat/dm_i = raw_i (g_i - E) / S, E = sum_j pt_j g_j,
// and for the mode alone g_* raw_i (delta_i* - pt_*) / S; raw_i = w_i / m_i.
template <class T, class C>
void gated_tile(const C& c, const GridQuantizer& q, const Masks& masks, int n,
                const T* __restrict x, const T* __restrict dy, T* __restrict dx, Terms& terms) {
  constexpr int kLevels = levels_of<C>();
  const bool all = q.backward == Backward::all_classes;
  std::array<float, kLevels> inverse;
  for (int l = 0; l < kLevels; ++l) {
    const double m = l < q.grid.bits ? masks.m[static_cast<std::size_t>(l)] : 0;
    inverse[static_cast<std::size_t>(l)] = m > 0 ? static_cast<float>(1 / m) : 0.0f;
  }
#pragma omp simd
  for (int j = 0; j < n; ++j) {
    const Spot<float> at(c, float(x[j]));
    Moments<float> sums;
    Mode<float> best;
    ByLevel<kLevels> levels;
    for_cells<true>(c, at, [&](auto k, float w, float X, float H) {
      sums.add(w, float(C::kFirst + k), X, H);
      best.offer(w, float(C::kFirst + k), X, H);
      levels.add(c, at.pivot + float(C::kFirst + k), k, w);
    });
    const float code = at.pivot + best.k;
    const float f = 1 / (sums.w > 1e-30f ? sums.w : 1e-30f), mean_k = sums.k * f;
    float all_x, all_alpha, mode_x, mode_alpha;
    all_classes(c, at, sums, true, all_x, all_alpha);
    mode_only(c, at, sums, best, true, mode_x, mode_alpha);
    const auto slopes = Slopes<float>::of(all ? all_x : mode_x, all ? all_alpha : mode_alpha, code,
                                          at.x, c.alpha, c.inverse_sigma);
    const float g = float(dy[j]);
    dx[j] = T(g * slopes.x);
    terms.alpha[j] = g * slopes.alpha;
    terms.sigma[j] = g * slopes.sigma;
    unrolled<kLevels>([&](auto l) {
      const float by_all = c.alpha * f * (levels.k[l] - levels.w[l] * mean_k);
      const float outer = static_cast<float>(1 << l), inner = l == 0 ? 0.0f : outer / 2;
      const bool own = code >= -outer && code < outer && !(code >= -inner && code < inner);
      const float by_mode = c.alpha * code * (best.w * f) * ((own ? 1.0f : 0.0f) - levels.w[l] * f);
      terms.level[l][j] = g * inverse[l] * (all ? by_all : by_mode);
    });
  }
}

template <class T, class C>
void sample_backward_tile(const C& c, const GridQuantizer& q, const Rng& noise, std::int64_t first,
                          int n, const T* __restrict x, const T* __restrict dy, T* __restrict dx,
                          Terms& terms) {
  const Times<C::kPoints> times(noise, first, n);
  const auto temperature = static_cast<float>(q.temperature);
  const float radius = radius_of(c, q);
  const bool hard = q.estimator == Estimator::rq_st;
#pragma omp simd
  for (int j = 0; j < n; ++j) {
    const Spot<float> at(c, float(x[j]));
    const auto sample = relax(
        c, at, [&](auto k) { return times.t[k][j]; }, temperature, radius);
    const auto slopes = relaxed_slopes(c, at, sample, temperature, hard);
    const float g = float(dy[j]);
    dx[j] = T(g * slopes.x);
    terms.alpha[j] = g * slopes.alpha;
    terms.sigma[j] = g * slopes.sigma;
  }
}

// tile(first, size, terms) on all tiles, `levels` of whose terms are used; sums chunk by chunk.
template <class Tile>
Gradients sum_tiles(std::int64_t n, int levels, std::span<double> partial, const Tile& tile) {
  const std::int64_t chunks = (n + kChunk - 1) / kChunk;
  constexpr auto kCount = static_cast<std::int64_t>(Gradients::kCount);
  double* const sums = partial.data();
  parallel_for(chunks, 1, [&, sums](std::int64_t begin, std::int64_t end) {
    Terms terms;
    for (std::int64_t chunk = begin; chunk < end; ++chunk) {
      double* const sum = sums + chunk * kCount;
      std::fill_n(sum, kCount, 0.0);
      const std::int64_t stop = std::min(n, (chunk + 1) * kChunk);
      for (std::int64_t at = chunk * kChunk; at < stop; at += kTile) {
        const int size = static_cast<int>(std::min<std::int64_t>(kTile, stop - at));
        tile(at, size, terms);
        sum[0] += total(terms.alpha, size);
        sum[1] += total(terms.sigma, size);
        for (int l = 0; l < levels; ++l) sum[2 + l] += total(terms.level[l], size);
      }
    }
  });
  Gradients all;
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
    const double* const sum = sums + chunk * kCount;
    all.alpha += sum[0];
    all.sigma += sum[1];
    for (std::size_t l = 0; l < kMostBits; ++l) all.level[l] += sum[2 + l];
  }
  return all;
}

}  // namespace

template <class T>
std::int64_t round_and_clip(const Grid& grid, float alpha, std::int64_t n, const T* x, T* y) {
  const auto first = static_cast<float>(grid.first()), last = static_cast<float>(grid.last());
  return count_tiles(n, [=](std::int64_t at, int size) {
    return round_tile(alpha, first, last, size, x + at, y + at);
  });
}

template <class T>
std::int64_t quantize(const GridQuantizer& q, const Scales& s, const Rng& noise, std::int64_t n,
                      const T* x, T* y) {
  if (q.estimator == Estimator::rq || q.estimator == Estimator::rq_st)
    return with_cells(q, s, [&](const auto& c) {
      return count_tiles(n, [&](std::int64_t at, int size) {
        return sample_tile(c, q, noise, at, size, x + at, y + at);
      });
    });
  if (q.estimator == Estimator::ste || s.masks.binary(q.grid.bits))
    return round_and_clip(living(q.grid, s.masks), s.alpha, n, x, y);
  return with_cells(q, s, [&](const auto& c) {
    return count_tiles(
        n, [&](std::int64_t at, int size) { return mode_tile(c, size, x + at, y + at); });
  });
}

std::vector<double> partial_sums(std::int64_t n) {
  return std::vector<double>(static_cast<std::size_t>((n + kChunk - 1) / kChunk) *
                             Gradients::kCount);
}

template <class T>
Gradients pull_back(const GridQuantizer& q, const Scales& s, const Rng& noise, std::int64_t n,
                    const T* x, const T* dy, T* dx, std::span<double> partial) {
  if (q.estimator == Estimator::ste) {
    const Grid grid = living(q.grid, s.masks);
    const auto first = static_cast<float>(grid.first()), last = static_cast<float>(grid.last());
    return sum_tiles(n, 0, partial, [&](std::int64_t at, int size, Terms& terms) {
      ste_tile(s, first, last, size, x + at, dy + at, dx + at, terms);
    });
  }
  if (q.estimator != Estimator::cpq)
    return with_cells(q, s, [&](const auto& c) {
      return sum_tiles(n, 0, partial, [&](std::int64_t at, int size, Terms& terms) {
        sample_backward_tile(c, q, noise, at, size, x + at, dy + at, dx + at, terms);
      });
    });
  const bool usual = q.backward == Backward::all_classes && q.truncate;
  return with_cells(q, s, [&](const auto& c) {
    if constexpr (std::is_same_v<T, float>)
      if (!s.masks.binary(q.grid.bits))
        return sum_tiles(n, q.grid.bits, partial, [&](std::int64_t at, int size, Terms& terms) {
          gated_tile(c, q, s.masks, size, x + at, dy + at, dx + at, terms);
        });
    return sum_tiles(n, 0, partial, [&](std::int64_t at, int size, Terms& terms) {
      if (usual)
        cpq_tile(c, size, x + at, dy + at, dx + at, terms);
      else
        cpq_variant_tile(c, q, size, x + at, dy + at, dx + at, terms);
    });
  });
}

Statistics statistics(const Grid& grid, float alpha, std::span<const float> x) {
  const auto first = static_cast<float>(grid.first()), last = static_cast<float>(grid.last());
  const auto n = static_cast<std::int64_t>(x.size());
  const float* values = x.data();
  const auto sum_of = [&](const auto& term) {
    return parallel_sum(n, kChunk, [&](std::int64_t begin, std::int64_t end) {
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (std::int64_t i = begin; i < end; ++i) sum += term(values[i] / alpha);
      return static_cast<double>(sum);
    });
  };
  const double all = static_cast<double>(std::max<std::int64_t>(n, 1));
  return {sum_of([=](float v) {
            return std::fabs(clip(v, first, last) - clip(nearest_code(v), first, last));
          }) / all,
          sum_of([=](float v) { return v < first - 0.5f || v > last + 0.5f ? 1.0f : 0.0f; }) / all};
}

template std::int64_t round_and_clip(const Grid&, float, std::int64_t, const float*, float*);
template std::int64_t round_and_clip(const Grid&, float, std::int64_t, const bfloat16*, bfloat16*);
template std::int64_t quantize(const GridQuantizer&, const Scales&, const Rng&, std::int64_t,
                               const float*, float*);
template std::int64_t quantize(const GridQuantizer&, const Scales&, const Rng&, std::int64_t,
                               const bfloat16*, bfloat16*);
template Gradients pull_back(const GridQuantizer&, const Scales&, const Rng&, std::int64_t,
                             const float*, const float*, float*, std::span<double>);
template Gradients pull_back(const GridQuantizer&, const Scales&, const Rng&, std::int64_t,
                             const bfloat16*, const bfloat16*, bfloat16*, std::span<double>);

}  // namespace bitwright::bit_drop
