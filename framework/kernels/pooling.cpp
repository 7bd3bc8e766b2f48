#include "kernels/pooling.h"

#include <algorithm>
#include <array>

#include <bitwright/core/bfloat16.h>
#include <bitwright/core/parallel.h>

namespace bitwright::kernels {
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
