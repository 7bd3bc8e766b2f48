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

// The maps compute in float whatever the elements are stored as.

/// y[i] = f(x[i])
template <class X, class Y, class F>
void map(std::int64_t n, const X* __restrict x, Y* __restrict y, F f) {
  for_each_element(n, [=](std::int64_t i) { y[i] = Y(f(float(x[i]))); });
}

/// z[i] = f(x[i], y[i])
template <class X, class Y, class Z, class F>
void map(std::int64_t n, const X* __restrict x, const Y* __restrict y, Z* __restrict z, F f) {
  for_each_element(n, [=](std::int64_t i) { z[i] = Z(f(float(x[i]), float(y[i]))); });
}

/// w[i] = f(x[i], y[i], z[i])
template <class X, class Y, class Z, class W, class F>
void map(std::int64_t n, const X* __restrict x, const Y* __restrict y, const Z* __restrict z,
         W* __restrict w, F f) {
  for_each_element(n, [=](std::int64_t i) { w[i] = W(f(float(x[i]), float(y[i]), float(z[i]))); });
}

/// sum[i] += x[i]
template <class T>
void accumulate(std::int64_t n, const T* __restrict x, T* __restrict sum) {
  for_each_element(n, [=](std::int64_t i) { sum[i] = T(float(sum[i]) + float(x[i])); });
}

/// Sum of f(x[i], y[i]), in double, independent of the number of threads.
template <class F>
double sum_of(std::int64_t n, const float* x, const float* y, F f) {
  return parallel_sum(n, kElementGrain, [=](std::int64_t begin, std::int64_t end) {
    double total = 0;
    for (std::int64_t i = begin; i < end; ++i) total += f(x[i], y[i]);
    return total;
  });
}

/// Sum of all elements, in double, independent of the number of threads.
double sum(std::int64_t n, const float* x);
/// Sum of x[i] * y[i], likewise.
double dot(std::int64_t n, const float* x, const float* y);

}  // namespace bitwright::kernels
