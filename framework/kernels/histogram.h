#pragma once
// Histograms of tensors, in two passes: the range of the values, then counts in bins of that range.

#include <cstdint>
#include <limits>
#include <span>

namespace bitwright::kernels {

/// The extremes of finite values; low > high where there is none.
struct FiniteRange {
  float low = std::numeric_limits<float>::infinity();
  float high = -std::numeric_limits<float>::infinity();
  std::int64_t not_finite = 0;  ///< values that are NaN or Inf

  bool empty() const { return low > high; }
  void add(const FiniteRange& other);
};

/// Of n values of type float or bfloat16.
template <class T>
FiniteRange finite_range(std::int64_t n, const T* x);

/// Adds how many of n values fall into each of counts.size() equally wide bins from low to high. A
/// value on an edge between two bins belongs to the upper one, `high` to the last bin; where low
/// equals high all are in the first. Finite values must lie in [low, high]; others are left out.
template <class T>
void count_in_bins(std::int64_t n, const T* x, float low, float high,
                   std::span<std::int64_t> counts);

}  // namespace bitwright::kernels
