#include "kernels/pooling.h"

#include <algorithm>
#include <array>

#include <bitwright/core/bfloat16.h>
#include <bitwright/core/parallel.h>

namespace bitwright::kernels {
namespace {

constexpr std::int64_t kBlock = 64;  // channels handled at a time

// sum[c] += the `channels` values of one pixel
template <class T>
void add_pixel(const T* __restrict from, std::int64_t channels, float* __restrict sum) {
  for (std::int64_t c = 0; c < channels; ++c) sum[c] += float(from[c]);
}
template <class T>
void write_pixel(const float* __restrict sum, float factor, std::int64_t channels,
                 T* __restrict to) {
  for (std::int64_t c = 0; c < channels; ++c) to[c] = T(sum[c] * factor);
}

// to = factor * the sum of the pixels [rows] x [columns] of an image that is `width` pixels wide.
template <class T>
void sum_pixels(std::int64_t row_begin, std::int64_t row_end, std::int64_t column_begin,
                std::int64_t column_end, std::int64_t width, std::int64_t channels, float factor,
                const T* image, T* to) {
  for (std::int64_t first = 0; first < channels; first += kBlock) {
    const std::int64_t n = std::min(kBlock, channels - first);
    std::array<float, kBlock> sum{};
    for (std::int64_t h = row_begin; h < row_end; ++h)
      for (std::int64_t w = column_begin; w < column_end; ++w)
        add_pixel(image + (h * width + w) * channels + first, n, sum.data());
    write_pixel(sum.data(), factor, n, to + first);
  }
}

}  // namespace

template <class T>
void avg_pool_forward(const PoolPlan& p, const T* x, T* y) {
  const std::int64_t out_h = p.out_h(), out_w = p.out_w();
  const float share = 1.f / static_cast<float>(p.size * p.size);
  parallel_for(p.n * out_h, 1, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const T* image = x + row / out_h * p.h * p.w * p.c;
      const std::int64_t top = row % out_h * p.stride - p.padding;
      for (std::int64_t j = 0; j < out_w; ++j) {
        const std::int64_t left = j * p.stride - p.padding;
        sum_pixels(std::max<std::int64_t>(0, top), std::min(top + p.size, p.h),
                   std::max<std::int64_t>(0, left), std::min(left + p.size, p.w), p.w, p.c, share,
                   image, y + (row * out_w + j) * p.c);
      }
    }
  });
}

template <class T>
void avg_pool_backward(const PoolPlan& p, const T* dy, T* dx) {
  const std::int64_t out_h = p.out_h(), out_w = p.out_w();
  const float share = 1.f / static_cast<float>(p.size * p.size);
  // The windows that hold a pixel, along one axis.
  const auto first = [=](std::int64_t at) {
    return std::max<std::int64_t>(0, (at + p.padding - p.size + p.stride) / p.stride);
  };
  const auto last = [=](std::int64_t at, std::int64_t count) {
    return std::min((at + p.padding) / p.stride + 1, count);
  };
  parallel_for(p.n * p.h, 1, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const T* image = dy + row / p.h * out_h * out_w * p.c;
      const std::int64_t h = row % p.h;
      for (std::int64_t w = 0; w < p.w; ++w)
        sum_pixels(first(h), last(h, out_h), first(w), last(w, out_w), out_w, p.c, share, image,
                   dx + (row * p.w + w) * p.c);
    }
  });
}

template <class T>
void global_avg_forward(std::int64_t n, std::int64_t pixels, std::int64_t c, const T* x, T* y) {
  const float share = 1.f / static_cast<float>(pixels);
  parallel_for(n, 1, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t image = begin; image < end; ++image)
      sum_pixels(0, 1, 0, pixels, pixels, c, share, x + image * pixels * c, y + image * c);
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

template void avg_pool_forward(const PoolPlan&, const float*, float*);
template void avg_pool_forward(const PoolPlan&, const bfloat16*, bfloat16*);
template void avg_pool_backward(const PoolPlan&, const float*, float*);
template void avg_pool_backward(const PoolPlan&, const bfloat16*, bfloat16*);
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
