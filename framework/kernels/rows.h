#pragma once
// Loops over the rows of a matrix where each row has numbers of its own, such as the scale of an
// output channel; a tensor with one number is a matrix of one row. Whatever the elements are stored
// as, functions compute in float. Sums do not depend on the number of threads.

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include <bitwright/core/parallel.h>

namespace bitwright::kernels {

/// What a function of (x, dy) gives: the gradient of x, and a term of its row's sum.
struct GradientAndTerm {
  float dx, term;
};

namespace detail {

constexpr std::int64_t kRowGrain = 16384;
constexpr std::int64_t kRowBlock = 4096;  ///< elements that are summed in float

// At most 64 parts, whose sums parallel_sum keeps without allocating.
inline std::int64_t sum_grain(std::int64_t n) {
  const std::int64_t blocks = (n / 64 + kRowBlock) / kRowBlock;
  return std::max(kRowGrain, blocks * kRowBlock);
}

// body(row, begin, end) on element ranges that cover all rows.
template <class Body>
void for_each_row(std::int64_t rows, std::int64_t columns, const Body& body) {
  if (rows == 1)
    return parallel_for(columns, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
      body(std::int64_t{0}, begin, end);
    });
  const std::int64_t grain =
      std::max<std::int64_t>(1, kRowGrain / std::max<std::int64_t>(1, columns));
  parallel_for(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) body(r, r * columns, (r + 1) * columns);
  });
}

// sums[row] = the sum of body(row, begin, end) over element ranges that cover the row.
template <class Body>
void sum_each_row(std::int64_t rows, std::int64_t columns, float* sums, const Body& body) {
  if (rows == 1) {
    sums[0] = static_cast<float>(parallel_sum(
        columns, sum_grain(columns),
        [&](std::int64_t begin, std::int64_t end) { return body(std::int64_t{0}, begin, end); }));
    return;
  }
  for_each_row(rows, columns, [&](std::int64_t r, std::int64_t begin, std::int64_t end) {
    sums[r] = static_cast<float>(body(r, begin, end));
  });
}

template <bool Stores, class T, class F>
double gradient_and_sum(std::int64_t begin, std::int64_t end, const T* __restrict x,
                        const T* __restrict dy, T* __restrict dx, const F& f) {
  double total = 0;
  float block[kRowBlock];
  for (std::int64_t at = begin; at < end; at += kRowBlock) {
    const std::int64_t n = std::min(end - at, kRowBlock);
    // Rounding to bf16 inside the loop with the sum would keep that from being vectorised.
    float* __restrict gradients = block;
    if constexpr (Stores && std::is_same_v<T, float>) gradients = dx + at;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < n; ++i) {
      const GradientAndTerm g = f(float(x[at + i]), float(dy[at + i]));
      if constexpr (Stores) gradients[i] = g.dx;
      sum += g.term;
    }
    if constexpr (Stores && !std::is_same_v<T, float>)
      for (std::int64_t i = 0; i < n; ++i) dx[at + i] = T(block[i]);
    total += static_cast<double>(sum);
  }
  return total;
}

}  // namespace detail

/// y[r, i] = f(r)(x[r, i])
template <class T, class F>
void map_rows(std::int64_t rows, std::int64_t columns, const T* x, T* y, const F& f) {
  detail::for_each_row(rows, columns,
                       [=, &f](std::int64_t r, std::int64_t begin, std::int64_t end) {
                         const auto g = f(r);
                         const T* __restrict in = x;
                         T* __restrict out = y;
                         for (std::int64_t i = begin; i < end; ++i) out[i] = T(g(float(in[i])));
                       });
}

/// dx[r, i] = f(r)(x[r, i], dy[r, i])
template <class T, class F>
void map_rows(std::int64_t rows, std::int64_t columns, const T* x, const T* dy, T* dx, const F& f) {
  detail::for_each_row(rows, columns,
                       [=, &f](std::int64_t r, std::int64_t begin, std::int64_t end) {
                         const auto g = f(r);
                         const T* __restrict in = x;
                         const T* __restrict from = dy;
                         T* __restrict to = dx;
                         for (std::int64_t i = begin; i < end; ++i)
                           to[i] = T(g(float(in[i]), float(from[i])));
                       });
}

/// In one pass dx[r, i] and sums[r] from f(r)(x[r, i], dy[r, i]), a GradientAndTerm; dx may be
/// null.
template <class T, class F>
void map_and_sum_rows(std::int64_t rows, std::int64_t columns, const T* x, const T* dy, T* dx,
                      float* sums, const F& f) {
  detail::sum_each_row(
      rows, columns, sums, [=, &f](std::int64_t r, std::int64_t begin, std::int64_t end) {
        const auto g = f(r);
        return dx == nullptr ? detail::gradient_and_sum<false>(begin, end, x, dy, dx, g)
                             : detail::gradient_and_sum<true>(begin, end, x, dy, dx, g);
      });
}

/// sums[r] = the sum over i of f(x[r, i])
template <class T, class F>
void sum_rows(std::int64_t rows, std::int64_t columns, const T* x, float* sums, const F& f) {
  map_and_sum_rows<T>(rows, columns, x, x, nullptr, sums, [&f](std::int64_t) {
    return [&f](float v, float) { return GradientAndTerm{0, f(v)}; };
  });
}

/// low[r] and high[r]: the extremes of x[r, :]; NaN is left out.
template <class T>
void row_extremes(std::int64_t rows, std::int64_t columns, const T* x, float* low, float* high);

}  // namespace bitwright::kernels
