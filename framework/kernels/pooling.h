#pragma once
// Average pooling and subsampling of channels_last images.

#include <cstdint>

#include "kernels/max_pool.h"

namespace bitwright::kernels {

// T is float or bfloat16; sums are float, in a fixed order.

/// The sum of each window divided by size * size: padding counts as zeros.
template <class T>
void avg_pool_forward(const PoolPlan& plan, const T* x, T* y);
template <class T>
void avg_pool_backward(const PoolPlan& plan, const T* dy, T* dx);

/// Mean over the pixels of each image and channel: x [n][pixels][c] -> y [n][c].
template <class T>
void global_avg_forward(std::int64_t n, std::int64_t pixels, std::int64_t c, const T* x, T* y);
template <class T>
void global_avg_backward(std::int64_t n, std::int64_t pixels, std::int64_t c, const T* dy, T* dx);

/// The parameter-free shortcut of residual networks: every stride-th pixel in both directions, `c`
/// channels in the middle of `out_c`, zeros around them (the odd one behind).
struct ShortcutPlan {
  std::int64_t n = 0, c = 0, h = 0, w = 0;  ///< input
  std::int64_t stride = 1, out_c = 0;
  std::int64_t out_h() const { return (h - 1) / stride + 1; }
  std::int64_t out_w() const { return (w - 1) / stride + 1; }
  std::int64_t channels_before() const { return (out_c - c) / 2; }
};
template <class T>
void shortcut_a_forward(const ShortcutPlan& plan, const T* x, T* y);
template <class T>
void shortcut_a_backward(const ShortcutPlan& plan, const T* dy, T* dx);

}  // namespace bitwright::kernels
