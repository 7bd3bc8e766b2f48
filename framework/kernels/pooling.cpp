#include "kernels/pooling.h"

#include <algorithm>
#include <array>

#include <bitwright/core/bfloat16.h>
#include <bitwright/core/parallel.h>

namespace bitwright::kernels {
namespace {

// The part of a window that lies inside the image.
struct Window {
  std::int64_t corner;         ///< offset of its first pixel in the input
  std::int64_t rows, columns;  ///< at least 1
  std::int64_t at;             ///< offset of its output pixel
};

// body(window) in order; one image is handled by one thread, so overlapping windows add their
// gradients in order.
template <class Body>
void for_each_window(const PoolPlan& p, Body body) {
  parallel_for(p.n, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t image = begin; image < end; ++image)
      for (std::int64_t i = 0; i < p.out_h(); ++i) {
        const std::int64_t top = i * p.stride - p.padding,
                           first_row = std::max<std::int64_t>(0, top);
        for (std::int64_t j = 0; j < p.out_w(); ++j) {
          const std::int64_t left = j * p.stride - p.padding,
                             first_column = std::max<std::int64_t>(0, left);
          body(Window{((image * p.h + first_row) * p.w + first_column) * p.c,
                      std::min(top + p.size, p.h) - first_row,
                      std::min(left + p.size, p.w) - first_column,
                      ((image * p.out_h() + i) * p.out_w() + j) * p.c});
        }
      }
  });
}

}  // namespace

void max_pool_forward(const PoolPlan& p, const float* x, float* y) {
  for_each_window(p, [=](const Window& window) {
    float* __restrict best = y + window.at;
    std::copy_n(x + window.corner, p.c, best);
    for (std::int64_t u = 0; u < window.rows; ++u)
      for (std::int64_t v = u == 0 ? 1 : 0; v < window.columns; ++v) {
        const float* __restrict in = x + window.corner + (u * p.w + v) * p.c;
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
  for_each_window(p, [=](const Window& window) {
    for (std::int64_t first = 0; first < p.c; first += kBlock) {
      const std::int64_t channels = std::min(kBlock, p.c - first);
      std::array<float, kBlock> left;
      std::copy_n(dy + window.at + first, channels, left.data());
      const float* __restrict top = y + window.at + first;
      for (std::int64_t u = 0; u < window.rows; ++u)
        for (std::int64_t v = 0; v < window.columns; ++v) {
          const std::int64_t pixel = window.corner + (u * p.w + v) * p.c + first;
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

template <class T>
void global_avg_forward(std::int64_t n, std::int64_t pixels, std::int64_t c, const T* x, T* y) {
  constexpr std::int64_t kBlock = 64;
  const float share = 1.f / static_cast<float>(pixels);
  parallel_for(n, 1, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t image = begin; image < end; ++image)
      for (std::int64_t first = 0; first < c; first += kBlock) {
        const std::int64_t channels = std::min(kBlock, c - first);
        std::array<float, kBlock> sum{};
        for (std::int64_t k = 0; k < pixels; ++k) {
          const T* __restrict in = x + (image * pixels + k) * c + first;
          for (std::int64_t i = 0; i < channels; ++i)
            sum[static_cast<std::size_t>(i)] += float(in[i]);
        }
        T* __restrict out = y + image * c + first;
        for (std::int64_t i = 0; i < channels; ++i)
          out[i] = T(sum[static_cast<std::size_t>(i)] * share);
      }
  });
}

template <class T>
void global_avg_backward(std::int64_t n, std::int64_t pixels, std::int64_t c, const T* dy, T* dx) {
  const float share = 1.f / static_cast<float>(pixels);
  parallel_for(n, 1, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t image = begin; image < end; ++image)
      for (std::int64_t k = 0; k < pixels; ++k) {
        const T* __restrict from = dy + image * c;
        T* __restrict to = dx + (image * pixels + k) * c;
        for (std::int64_t i = 0; i < c; ++i) to[i] = T(float(from[i]) * share);
      }
  });
}

template <class T>
void shortcut_a_forward(const ShortcutPlan& p, const T* x, T* y) {
  parallel_for(p.n * p.out_h(), 1, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t image = row / p.out_h(), i = row % p.out_h();
      T* out = y + row * p.out_w() * p.out_c;
      std::fill_n(out, p.out_w() * p.out_c, T(0.f));
      for (std::int64_t j = 0; j < p.out_w(); ++j)
        std::copy_n(x + ((image * p.h + i * p.stride) * p.w + j * p.stride) * p.c, p.c,
                    out + j * p.out_c + p.channels_before());
    }
  });
}

template <class T>
void shortcut_a_backward(const ShortcutPlan& p, const T* dy, T* dx) {
  parallel_for(p.n * p.h, 1, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t image = row / p.h, h = row % p.h;
      T* in = dx + row * p.w * p.c;
      std::fill_n(in, p.w * p.c, T(0.f));
      if (h % p.stride != 0) continue;
      for (std::int64_t j = 0; j < p.out_w(); ++j)
        std::copy_n(dy + ((image * p.out_h() + h / p.stride) * p.out_w() + j) * p.out_c +
                        p.channels_before(),
                    p.c, in + j * p.stride * p.c);
    }
  });
}

template void global_avg_forward(std::int64_t, std::int64_t, std::int64_t, const float*, float*);
template void global_avg_forward(std::int64_t, std::int64_t, std::int64_t, const bfloat16*,
                                 bfloat16*);
template void global_avg_backward(std::int64_t, std::int64_t, std::int64_t, const float*, float*);
template void global_avg_backward(std::int64_t, std::int64_t, std::int64_t, const bfloat16*,
                                  bfloat16*);
template void shortcut_a_forward(const ShortcutPlan&, const float*, float*);
template void shortcut_a_forward(const ShortcutPlan&, const bfloat16*, bfloat16*);
template void shortcut_a_backward(const ShortcutPlan&, const float*, float*);
template void shortcut_a_backward(const ShortcutPlan&, const bfloat16*, bfloat16*);

}  // namespace bitwright::kernels
