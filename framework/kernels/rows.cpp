#include "kernels/rows.h"

#include <array>
#include <limits>

#include <bitwright/core/bfloat16.h>

namespace bitwright::kernels {
namespace {

struct Extremes {
  float low = std::numeric_limits<float>::infinity();
  float high = -std::numeric_limits<float>::infinity();
};

template <class T>
Extremes extremes(std::int64_t begin, std::int64_t end, const T* __restrict x) {
  Extremes e;
  float low = e.low, high = e.high;
#pragma omp simd reduction(min : low) reduction(max : high)
  for (std::int64_t i = begin; i < end; ++i) {
    const float v = float(x[i]);
    low = v < low ? v : low;
    high = v > high ? v : high;
  }
  return {low, high};
}

// Of one row, in parts of the team: the order of comparisons does not matter.
template <class T>
Extremes long_row(std::int64_t n, const T* x) {
  constexpr std::int64_t most = 64;
  const std::int64_t grain = detail::sum_grain(n), parts = (n + grain - 1) / grain;
  std::array<Extremes, most + 1> some;
  parallel_for(parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p)
      some[static_cast<std::size_t>(p)] = extremes(p * grain, std::min(n, (p + 1) * grain), x);
  });
  Extremes all;
  for (std::int64_t p = 0; p < parts; ++p) {
    const Extremes& e = some[static_cast<std::size_t>(p)];
    all.low = std::min(all.low, e.low);
    all.high = std::max(all.high, e.high);
  }
  return all;
}

}  // namespace

template <class T>
void row_extremes(std::int64_t rows, std::int64_t columns, const T* x, float* low, float* high) {
  const auto store = [=](std::int64_t r, const Extremes& e) {
    low[r] = e.low;
    high[r] = e.high;
  };
  if (rows == 1) return store(0, long_row(columns, x));
  detail::for_each_row(rows, columns, [&](std::int64_t r, std::int64_t begin, std::int64_t end) {
    store(r, extremes(begin, end, x));
  });
}

template void row_extremes(std::int64_t, std::int64_t, const float*, float*, float*);
template void row_extremes(std::int64_t, std::int64_t, const bfloat16*, float*, float*);

}  // namespace bitwright::kernels
