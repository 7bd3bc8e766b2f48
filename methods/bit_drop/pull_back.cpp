// Gradients over tensors.
#include <algorithm>

#include <bitwright/core/bfloat16.h>
#include <bitwright/core/parallel.h>

#include "quantizer.h"
#include "tiles.h"
#include "times.h"

namespace bitwright::bit_drop {
namespace {

// A tile's terms are written side by side in L1 and added there, which vectorises and leaves no
// order to threads.
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

void ste_tile(float alpha, float first, float last, const float* __restrict x,
              const float* __restrict dy, float* __restrict dx, int n, Terms& terms) {
#pragma omp simd
  for (int j = 0; j < n; ++j) {
    const float v = x[j] / alpha, g = dy[j];
    const float code = nearest_code(v), clipped = clip(code, first, last);
    const bool inside = code == clipped;
    dx[j] = inside ? g : 0.0f;
    terms.alpha[j] = g * (inside ? code - v : clipped);
    terms.sigma[j] = 0;
  }
}

// Masks 0 or 1.
template <bool All, bool Truncate, class C>
void cpq_tile(const C& c, const float* __restrict x, const float* __restrict dy,
              float* __restrict dx, int n, Terms& terms) {
#pragma omp simd
  for (int j = 0; j < n; ++j) {
    const Spot<float> at(c, x[j]);
    Moments<float> sums;
    Mode<float> best;
    for_cells<false>(c, at, [&](auto k, float r, float X, float H) {
      sums.add(r, float(C::kFirst + k), X, H);
      if constexpr (!All) best.offer(r, float(C::kFirst + k), X, H);
    });
    float by_x, by_alpha, code;
    if constexpr (All) {
      all_classes(c, at, sums, Truncate, by_x, by_alpha);
      code = clip(nearest_code(x[j] / c.alpha), c.first, c.last);
    } else {
      mode_only(c, at, sums, best, Truncate, by_x, by_alpha);
      code = at.pivot + best.k;
    }
    const auto slopes = Slopes<float>::of(by_x, by_alpha, code, at.x, c.alpha, c.inverse_sigma);
    const float g = dy[j];
    dx[j] = g * slopes.x;
    terms.alpha[j] = g * slopes.alpha;
    terms.sigma[j] = g * slopes.sigma;
  }
}

// A whole grid has as many levels as it takes; any other grid may have all.
template <class C>
constexpr int levels_of() {
  return C::kLocal ? kMostBits : level_of(C::kPoints / 2 - 1);
}

template <class C>
bool is_of_level(float code, int l) {
  return within_level(code, l) & !(l > 1 ? within_level(code, l - 1) : false);
}

// 1 / m of living levels, else 0: nothing of a dead level's gradient arrives anywhere.
template <int Levels>
std::array<float, Levels> inverse_masks(const Masks& masks, int bits) {
  std::array<float, Levels> inverse = {};
  for (int l = 1; l <= std::min(Levels, bits); ++l)
    if (masks.of_level(l) > 0)
      inverse[static_cast<std::size_t>(l - 1)] = static_cast<float>(1 / masks.of_level(l));
  return inverse;
}

// dxhat/dm of a level, from the sums of its weights w_i = m_i raw_i and of w_i k; f = 1 / S. For
// all classes raw_i (g_i - E) / S with E = sum_j pt_j g_j, for the mode alone
// g_* raw_i (delta_i* - pt_*) / S.
template <bool All, class C>
float by_mask(const C& c, const Moments<float>& sums, const Mode<float>& best, float f, float code,
              float own, float w, float k) {
  if constexpr (All)
    return c.alpha * f * (k - w * (sums.k * f));
  else
    return c.alpha * code * (best.w * f) * (own - w * f);
}

// Masks between 0 and 1, whose gradients are wanted too.
template <bool All, class C>
void gated_tile(C c, const std::array<float, levels_of<C>()>& inverse, const float* __restrict x,
                const float* __restrict dy, float* __restrict dx, int n, Terms& terms) {
#pragma GCC ivdep
  for (int j = 0; j < n; ++j) {
    const Spot<float> at(c, x[j]);
    Moments<float> sums;
    Mode<float> best;
    float level_w[levels_of<C>()] = {}, level_k[levels_of<C>()] = {};
    for_cells<true>(c, at, [&](auto i, float w, float X, float H) {
      constexpr auto k = float(C::kFirst + i);
      sums.add(w, k, X, H);
      best.offer(w, k, X, H);
      unrolled<levels_of<C>()>([&](auto l) {
        const bool here =
            C::kLocal ? is_of_level<C>(at.pivot + k, l + 1) : level_of(C::kFirst + i) == l + 1;
        const float part = here ? w : 0.0f;
        level_w[l] += part;
        level_k[l] += part * k;
      });
    });
    float by_x, by_alpha;
    if constexpr (All)
      all_classes(c, at, sums, true, by_x, by_alpha);
    else
      mode_only(c, at, sums, best, true, by_x, by_alpha);
    const float code = at.pivot + best.k, f = 1 / (sums.w > 1e-30f ? sums.w : 1e-30f);
    const auto slopes = Slopes<float>::of(by_x, by_alpha, code, at.x, c.alpha, c.inverse_sigma);
    const float g = dy[j];
    dx[j] = g * slopes.x;
    terms.alpha[j] = g * slopes.alpha;
    terms.sigma[j] = g * slopes.sigma;
    unrolled<levels_of<C>()>([&](auto l) {
      const float own = is_of_level<C>(code, l + 1) ? 1.0f : 0.0f;
      terms.level[l][j] =
          g * inverse[l] * by_mask<All>(c, sums, best, f, code, own, level_w[l], level_k[l]);
    });
  }
}

template <bool Plain, class C>
void sample_tile(C c, const GridQuantizer& q, const Rng& noise, std::int64_t first,
                 const float* __restrict x, const float* __restrict dy, float* __restrict dx, int n,
                 Terms& terms) {
  const Times<C::kPoints> times(noise, first, n);
  const auto temperature = static_cast<float>(q.temperature);
  const float radius = radius_of(c, q);
  const bool hard = q.estimator == Estimator::rq_st;
#pragma GCC ivdep
  for (int j = 0; j < n; ++j) {
    const Spot<float> at(c, x[j]);
    const auto sample = relax<Plain>(
        c, at, [&](auto k) { return times.t[k][j]; }, temperature, radius);
    const auto slopes = relaxed_slopes(c, at, sample, temperature, hard);
    const float g = dy[j];
    dx[j] = g * slopes.x;
    terms.alpha[j] = g * slopes.alpha;
    terms.sigma[j] = g * slopes.sigma;
  }
}

// What a pass works on.
template <class T>
struct Pass {
  std::int64_t n;
  const T *x, *dy;
  T* dx;
  std::span<double> partial;
};

// kernel(x, dy, dx, n, first, terms) on all tiles; `levels` of the levels' terms are used.
template <class T, class Kernel>
Gradients sum_tiles(const Pass<T>& p, int levels, const Kernel& kernel) {
  const std::int64_t chunks = (p.n + kChunk - 1) / kChunk;
  constexpr auto kCount = static_cast<std::int64_t>(Gradients::kCount);
  double* const sums = p.partial.data();
  parallel_for(chunks, 1, [&, sums](std::int64_t begin, std::int64_t end) {
    Terms terms;
    Widened<T> x, dy;
    Narrowed<T> dx;
    for (std::int64_t chunk = begin; chunk < end; ++chunk) {
      double* const sum = sums + chunk * kCount;
      std::fill_n(sum, kCount, 0.0);
      const std::int64_t stop = std::min(p.n, (chunk + 1) * kChunk);
      for (std::int64_t at = chunk * kChunk; at < stop; at += kTile) {
        const int size = static_cast<int>(std::min<std::int64_t>(kTile, stop - at));
        kernel(x.of(p.x + at, size), dy.of(p.dy + at, size), dx.place(p.dx + at), size, at, terms);
        dx.finish(p.dx + at, size);
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

template <bool All, bool Truncate, class T>
Gradients pull_back_cpq(const GridQuantizer& q, const Scales& s, const Pass<T>& p) {
  return with_cells<false>(q, s, [&](const auto& c) {
    return sum_tiles(p, 0, [&](auto* x, auto* dy, float* dx, int n, std::int64_t, Terms& terms) {
      cpq_tile<All, Truncate>(c, x, dy, dx, n, terms);
    });
  });
}

template <bool All>
Gradients pull_back_gated(const GridQuantizer& q, const Scales& s, const Pass<float>& p) {
  return with_cells<false>(q, s, [&]<class C>(const C& c) {
    constexpr int kLevels = levels_of<C>();
    const auto inverse = inverse_masks<kLevels>(s.masks, q.grid.bits);
    return sum_tiles(p, kLevels,
                     [&](auto* x, auto* dy, float* dx, int n, std::int64_t, Terms& terms) {
                       gated_tile<All>(c, inverse, x, dy, dx, n, terms);
                     });
  });
}

template <class T>
Gradients pull_back_sample(const GridQuantizer& q, const Scales& s, const Rng& noise,
                           const Pass<T>& p) {
  return with_cells<true>(q, s, [&](const auto& c) {
    return sum_tiles(p, 0, [&](auto* x, auto* dy, float* dx, int n, std::int64_t at, Terms& terms) {
      if (q.temperature == 1)
        sample_tile<true>(c, q, noise, at, x, dy, dx, n, terms);
      else
        sample_tile<false>(c, q, noise, at, x, dy, dx, n, terms);
    });
  });
}

}  // namespace

std::vector<double> partial_sums(std::int64_t n) {
  return std::vector<double>(static_cast<std::size_t>((n + kChunk - 1) / kChunk) *
                             Gradients::kCount);
}

template <class T>
Gradients pull_back(const GridQuantizer& q, const Scales& s, const Rng& noise, std::int64_t n,
                    const T* x, const T* dy, T* dx, std::span<double> partial) {
  const Pass<T> pass{n, x, dy, dx, partial};
  if (q.estimator == Estimator::ste) {
    const Grid grid = living(q.grid, s.masks);
    const auto first = static_cast<float>(grid.first()), last = static_cast<float>(grid.last());
    return sum_tiles(pass, 0,
                     [&](auto* in, auto* g, float* out, int size, std::int64_t, Terms& terms) {
                       ste_tile(s.alpha, first, last, in, g, out, size, terms);
                     });
  }
  if (is_sampled(q)) return pull_back_sample(q, s, noise, pass);
  const bool all = q.backward == Backward::all_classes;
  if constexpr (std::is_same_v<T, float>)
    if (!s.masks.binary(q.grid.bits))
      return all ? pull_back_gated<true>(q, s, pass) : pull_back_gated<false>(q, s, pass);
  if (q.truncate)
    return all ? pull_back_cpq<true, true>(q, s, pass) : pull_back_cpq<false, true>(q, s, pass);
  return all ? pull_back_cpq<true, false>(q, s, pass) : pull_back_cpq<false, false>(q, s, pass);
}

template Gradients pull_back(const GridQuantizer&, const Scales&, const Rng&, std::int64_t,
                             const float*, const float*, float*, std::span<double>);
template Gradients pull_back(const GridQuantizer&, const Scales&, const Rng&, std::int64_t,
                             const bfloat16*, const bfloat16*, bfloat16*, std::span<double>);

}  // namespace bitwright::bit_drop
