#pragma once
// Pooling of channels_last images.

#include <cstdint>

namespace bitwright::kernels {

struct PoolPlan {
  std::int64_t n = 0, c = 0, h = 0, w = 0;  ///< input
  std::int64_t size = 2, stride = 2;        ///< square window, no padding, floor mode
  std::int64_t out_h() const { return (h - size) / stride + 1; }
  std::int64_t out_w() const { return (w - size) / stride + 1; }
};

void max_pool_forward(const PoolPlan& plan, const float* x, float* y);
/// The (first) maximum of each window takes its gradient; x and y as in the forward pass.
void max_pool_backward(const PoolPlan& plan, const float* x, const float* y, const float* dy,
                       float* dx);

}  // namespace bitwright::kernels
