#pragma once
// Gathering by index along one axis of a plain tensor, and the scattered sums of its backward.

#include <cstdint>

namespace bitwright::kernels {

/// x is [outer, length, inner]; y is [outer, picked, inner].
struct GatherPlan {
  std::int64_t outer = 1, length = 1, inner = 1, picked = 1;
};

/// y[o][k][i] = x[o][index[k]][i]. T is float or bfloat16 here and below.
template <class T>
void select(const GatherPlan& plan, const std::int32_t* index, const T* x, T* y);
/// dx[o][index[k]][i] += dy[o][k][i], in the order of k.
template <class T>
void select_backward(const GatherPlan& plan, const std::int32_t* index, const T* dy, float* dx);

/// y[o][k][i] = x[o][index[o][k][i]][i].
template <class T>
void gather(const GatherPlan& plan, const std::int32_t* index, const T* x, T* y);
/// dx[o][index[o][k][i]][i] += dy[o][k][i], in the order of k.
template <class T>
void gather_backward(const GatherPlan& plan, const std::int32_t* index, const T* dy, float* dx);

/// Whether all indices lie in [0, length).
bool in_range(std::int64_t n, const std::int32_t* index, std::int64_t length);

}  // namespace bitwright::kernels
