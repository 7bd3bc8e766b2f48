#include "kernels/pooling.h"

#include <algorithm>

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

void max_pool_forward(const PoolPlan& p, const float* x, float* y, std::uint8_t* winner) {
  for_each_window(p, [=](std::int64_t corner, std::int64_t at) {
    float* __restrict best = y + at;
    std::uint8_t* __restrict index = winner + at;
    std::copy_n(x + corner, p.c, best);
    std::fill_n(index, p.c, std::uint8_t{0});
    for (std::int64_t k = 1; k < p.size * p.size; ++k) {
      const float* __restrict in = x + corner + ((k / p.size) * p.w + k % p.size) * p.c;
      for (std::int64_t c = 0; c < p.c; ++c) {
        const bool larger = in[c] > best[c];
        best[c] = larger ? in[c] : best[c];
        index[c] = larger ? static_cast<std::uint8_t>(k) : index[c];
      }
    }
  });
}

void max_pool_backward(const PoolPlan& p, const float* dy, const std::uint8_t* winner, float* dx) {
  parallel_for(p.n, 1, [&](std::int64_t begin, std::int64_t end) {
    std::fill(dx + begin * p.h * p.w * p.c, dx + end * p.h * p.w * p.c, 0.f);
  });
  for_each_window(p, [=](std::int64_t corner, std::int64_t at) {
    for (std::int64_t k = 0; k < p.size * p.size; ++k) {
      float* __restrict out = dx + corner + ((k / p.size) * p.w + k % p.size) * p.c;
      for (std::int64_t c = 0; c < p.c; ++c) out[c] += winner[at + c] == k ? dy[at + c] : 0.f;
    }
  });
}

}  // namespace bitwright::kernels
