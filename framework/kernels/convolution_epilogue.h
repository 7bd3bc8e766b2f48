#pragma once
// What follows a convolution in the same sweep, where an algorithm does it itself.

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "kernels/channels.h"
#include "kernels/convolution.h"

namespace bitwright::kernels {

/// f(a, b) with the two as types.
template <class F>
void with_bools(bool a, bool b, const F& f) {
  if (a)
    b ? f(std::true_type{}, std::true_type{}) : f(std::true_type{}, std::false_type{});
  else
    b ? f(std::false_type{}, std::true_type{}) : f(std::false_type{}, std::false_type{});
}

/// Writes the factor of each channel, `otherwise` where there is none, over `width` elements that
/// start at channel 0.
inline void repeat_factor(const float* factor, float otherwise, std::int64_t channels,
                          std::int64_t width, float* row) {
  for (std::int64_t i = 0; i < width; ++i)
    row[i] = factor == nullptr ? otherwise : factor[i % channels];
}

/// A pass of its own over the outputs, for algorithms that leave the epilogue to others. `in` may
/// be `out`.
template <class In, class T>
void finish_outputs(const ConvShape& s, const ConvEpilogueData& data, const In* in, T* out) {
  const std::int64_t channels = s.out_channels, rows = s.n * s.out_h() * s.out_w();
  const std::int64_t width = WideRows(rows, channels).width;
  thread_local std::vector<float> factors;  // keeps its capacity
  factors.resize(static_cast<std::size_t>(2 * width));
  float *const scale = factors.data(), *const shift = scale + width;
  repeat_factor(data.scale, 1, channels, width, scale);
  repeat_factor(data.shift, 0, channels, width, shift);
  const T* const residual = static_cast<const T*>(data.residual);
  with_bools(s.epilogue.residual, s.epilogue.relu, [=](auto added, auto relu) {
    for_each_wide_row(rows, channels, [=](std::int64_t at, std::int64_t count) {
#pragma GCC ivdep
      for (std::int64_t i = 0; i < count; ++i) {
        float v = float(in[at + i]) * scale[i] + shift[i];
        if constexpr (added) v += float(residual[at + i]);
        if constexpr (relu) v = v <= 0 ? 0.f : v;  // NaN stays NaN
        out[at + i] = T(v);
      }
    });
  });
}

}  // namespace bitwright::kernels
