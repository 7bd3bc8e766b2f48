#pragma once
// Element-wise loops, split over the team and left to the compiler to vectorise.

#include <cstdint>

#include <bitwright/core/parallel.h>

namespace bitwright::kernels {

inline constexpr std::int64_t kElementGrain = 16384;

/// f(i) for every i in [0, n); f writes element i of its outputs.
template <class F>
void for_each_element(std::int64_t n, F f) {
  parallel_for(n, kElementGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) f(i);
  });
}

/// y[i] = f(x[i])
template <class F>
void map(std::int64_t n, const float* __restrict x, float* __restrict y, F f) {
  for_each_element(n, [=](std::int64_t i) { y[i] = f(x[i]); });
}

/// z[i] = f(x[i], y[i])
template <class F>
void map(std::int64_t n, const float* __restrict x, const float* __restrict y, float* __restrict z,
         F f) {
  for_each_element(n, [=](std::int64_t i) { z[i] = f(x[i], y[i]); });
}

/// w[i] = f(x[i], y[i], z[i])
template <class F>
void map(std::int64_t n, const float* __restrict x, const float* __restrict y,
         const float* __restrict z, float* __restrict w, F f) {
  for_each_element(n, [=](std::int64_t i) { w[i] = f(x[i], y[i], z[i]); });
}

/// sum[i] += x[i]
inline void accumulate(std::int64_t n, const float* __restrict x, float* __restrict sum) {
  for_each_element(n, [=](std::int64_t i) { sum[i] += x[i]; });
}

/// Sum of all elements, in double, independent of the number of threads.
double sum(std::int64_t n, const float* x);

}  // namespace bitwright::kernels
