#include "kernels/pooling.h"

#include <algorithm>
#include <array>

#include <bitwright/core/parallel.h>

namespace bitwright::kernels {
namespace {

// body(input pixel of the window's corner, output pixel), both as element offsets; one image is
// handled by one thread, so overlapping windows add their gradients in order.
template <class Body>
void for_each_window(const PoolPlan& p, Body body) {
  parallel_for(p.n, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t image = begin; image < end; ++image)
      for (std::int64_t i = 0; i < p.out_h(); ++i)
        for (std::int64_t j = 0; j < p.out_w(); ++j)
          body(((image * p.h + i * p.stride) * p.w + j * p.stride) * p.c,
               ((image * p.out_h() + i) * p.out_w() + j) * p.c);
  });
}

}  // namespace

void max_pool_forward(const PoolPlan& p, const float* x, float* y) {
  for_each_window(p, [=](std::int64_t corner, std::int64_t at) {
    float* __restrict best = y + at;
    std::copy_n(x + corner, p.c, best);
    for (std::int64_t k = 1; k < p.size * p.size; ++k) {
      const float* __restrict in = x + corner + ((k / p.size) * p.w + k % p.size) * p.c;
      for (std::int64_t c = 0; c < p.c; ++c) best[c] = in[c] > best[c] ? in[c] : best[c];
    }
  });
}

void max_pool_backward(const PoolPlan& p, const float* x, const float* y, const float* dy,
                       float* dx) {
  parallel_for(p.n, 1, [&](std::int64_t begin, std::int64_t end) {
    std::fill(dx + begin * p.h * p.w * p.c, dx + end * p.h * p.w * p.c, 0.f);
  });
  // The first element that equals the maximum takes the gradient; nothing is left for the others.
  constexpr std::int64_t kBlock = 64;
  for_each_window(p, [=](std::int64_t corner, std::int64_t at) {
    for (std::int64_t first = 0; first < p.c; first += kBlock) {
      const std::int64_t channels = std::min(kBlock, p.c - first);
      std::array<float, kBlock> left;
      std::copy_n(dy + at + first, channels, left.data());
      const float* __restrict top = y + at + first;
      for (std::int64_t k = 0; k < p.size * p.size; ++k) {
        const std::int64_t pixel = corner + ((k / p.size) * p.w + k % p.size) * p.c + first;
        const float* __restrict in = x + pixel;
        float* __restrict out = dx + pixel;
        for (std::int64_t c = 0; c < channels; ++c) {
          const float taken = in[c] == top[c] ? left[static_cast<std::size_t>(c)] : 0.f;
          out[c] += taken;
          left[static_cast<std::size_t>(c)] -= taken;
        }
      }
    }
  });
}

}  // namespace bitwright::kernels
