// Forward maps over tensors.
#include <algorithm>
#include <cmath>

#include <bitwright/core/bfloat16.h>
#include <bitwright/core/parallel.h>

#include "quantizer.h"
#include "tiles.h"
#include "times.h"

namespace bitwright::bit_drop {
namespace {

// kernel(x, y, n, first) on the tiles of [0, n); returns the sum of what it returns, a count.
template <class T, class Kernel>
std::int64_t count_tiles(std::int64_t n, const T* x, T* y, const Kernel& kernel) {
  return static_cast<std::int64_t>(
      parallel_sum(n, kChunk, [&](std::int64_t begin, std::int64_t end) {
        Widened<T> in;
        Narrowed<T> out;
        double total = 0;
        for (std::int64_t at = begin; at < end; at += kTile) {
          const int size = static_cast<int>(std::min<std::int64_t>(kTile, end - at));
          total += kernel(in.of(x + at, size), out.place(y + at), size, at);
          out.finish(y + at, size);
        }
        return total;
      }));
}

int round_tile(float alpha, float first, float last, const float* __restrict x, float* __restrict y,
               int n) {
  int outside = 0;
#pragma omp simd reduction(+ : outside)
  for (int j = 0; j < n; ++j) {
    const float code = nearest_code(x[j] / alpha);
    const float clipped = clip(code, first, last);
    outside += code != clipped;
    y[j] = alpha * clipped;
  }
  return outside;
}

template <class C>
int is_outside(const C& c, float x) {
  const float code = nearest_code(x / c.alpha);
  return (code < c.first) | (code > c.last);
}

// The mode under masks between 0 and 1.
template <class C>
int mode_tile(C c, const float* __restrict x, float* __restrict y, int n) {
  int outside = 0;
#pragma GCC ivdep
  for (int j = 0; j < n; ++j) {
    const Spot<float> at(c, x[j]);
    Mode<float> best;
    for_cells<true>(c, at, [&](auto k, float w, float X, float H) {
      best.offer(w, float(C::kFirst + k), X, H);
    });
    outside += is_outside(c, x[j]);
    y[j] = c.alpha * (at.pivot + best.k);
  }
  return outside;
}

template <bool Plain, class C>
int sample_tile(C c, const GridQuantizer& q, const Rng& noise, std::int64_t first,
                const float* __restrict x, float* __restrict y, int n) {
  const Times<C::kPoints> times(noise, first, n);
  const auto temperature = static_cast<float>(q.temperature);
  const float radius = radius_of(c, q);
  const bool hard = q.estimator == Estimator::rq_st;
  int outside = 0;
#pragma GCC ivdep
  for (int j = 0; j < n; ++j) {
    const Spot<float> at(c, x[j]);
    const auto sample = relax<Plain>(
        c, at, [&](auto k) { return times.t[k][j]; }, temperature, radius);
    outside += is_outside(c, x[j]);
    y[j] = c.alpha * sample.code(at, hard);
  }
  return outside;
}

}  // namespace

template <class T>
std::int64_t round_and_clip(const Grid& grid, float alpha, std::int64_t n, const T* x, T* y) {
  const auto first = static_cast<float>(grid.first()), last = static_cast<float>(grid.last());
  return count_tiles(n, x, y, [=](const float* in, float* out, int size, std::int64_t) {
    return round_tile(alpha, first, last, in, out, size);
  });
}

template <class T>
std::int64_t quantize(const GridQuantizer& q, const Scales& s, const Rng& noise, std::int64_t n,
                      const T* x, T* y) {
  if (is_sampled(q))
    return with_cells<true>(q, s, [&](const auto& c) {
      return count_tiles(n, x, y, [&](const float* in, float* out, int size, std::int64_t at) {
        return q.temperature == 1 ? sample_tile<true>(c, q, noise, at, in, out, size)
                                  : sample_tile<false>(c, q, noise, at, in, out, size);
      });
    });
  if (q.estimator == Estimator::ste || s.masks.binary(q.grid.bits))
    return round_and_clip(living(q.grid, s.masks), s.alpha, n, x, y);
  return with_cells<false>(q, s, [&](const auto& c) {
    return count_tiles(n, x, y, [&](const float* in, float* out, int size, std::int64_t) {
      return mode_tile(c, in, out, size);
    });
  });
}

template std::int64_t round_and_clip(const Grid&, float, std::int64_t, const float*, float*);
template std::int64_t round_and_clip(const Grid&, float, std::int64_t, const bfloat16*, bfloat16*);
template std::int64_t quantize(const GridQuantizer&, const Scales&, const Rng&, std::int64_t,
                               const float*, float*);
template std::int64_t quantize(const GridQuantizer&, const Scales&, const Rng&, std::int64_t,
                               const bfloat16*, bfloat16*);

Statistics statistics(const Grid& grid, float alpha, std::span<const float> x) {
  const auto first = static_cast<float>(grid.first()), last = static_cast<float>(grid.last());
  const auto n = static_cast<std::int64_t>(x.size());
  const float* values = x.data();
  const auto mean_of = [&](const auto& term) {
    return parallel_sum(n, kChunk,
                        [&](std::int64_t begin, std::int64_t end) {
                          float sum = 0;
#pragma omp simd reduction(+ : sum)
                          for (std::int64_t i = begin; i < end; ++i) sum += term(values[i] / alpha);
                          return static_cast<double>(sum);
                        }) /
           static_cast<double>(std::max<std::int64_t>(n, 1));
  };
  return {mean_of([=](float v) {
            return std::fabs(clip(v, first, last) - clip(nearest_code(v), first, last));
          }),
          mean_of([=](float v) { return (v < first - 0.5f) | (v > last + 0.5f) ? 1.0f : 0.0f; })};
}

}  // namespace bitwright::bit_drop
