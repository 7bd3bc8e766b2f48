#pragma once
// Max pooling of channels_last images. T is float or bfloat16.

#include <cstdint>

namespace bitwright::kernels {

struct PoolPlan {
  std::int64_t n = 0, c = 0, h = 0, w = 0;  ///< input
  std::int64_t size = 2, stride = 2;        ///< square window, floor mode
  std::int64_t padding = 0;                 ///< at most size / 2; never the maximum
  bool relu = false;                        ///< y = max(0, ...): a ReLU before or after, alike
  std::int64_t out_h() const { return (h + 2 * padding - size) / stride + 1; }
  std::int64_t out_w() const { return (w + 2 * padding - size) / stride + 1; }
};

/// The place in its window from which an output was taken, in row order; kNobody where the ReLU
/// put a zero.
using Winner = std::uint16_t;
inline constexpr Winner kNobody = 0xffff;
inline constexpr std::int64_t kLargestWindow = 255;  ///< side: places fit in a Winner

/// Of equal maxima the first one wins; a NaN wins over numbers, wherever it is in the window.
template <class T>
void max_pool_forward(const PoolPlan& plan, const T* x, T* y, Winner* winners);
/// Each output's gradient goes to its winner.
template <class T>
void max_pool_backward(const PoolPlan& plan, const Winner* winners, const T* dy, T* dx);

}  // namespace bitwright::kernels
