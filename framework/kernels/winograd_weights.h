#pragma once
// Weights to frequencies of Winograd's F(4x4, 3x3), and gradients of frequencies back.

#include <algorithm>
#include <array>
#include <cstdint>

#include <bitwright/core/parallel.h>

#include "kernels/winograd_rows.h"

namespace bitwright::kernels::winograd {

// A two-dimensional transform of IN x IN arrays of `lanes` elements: along columns, then along
// rows.
template <int IN, int OUT, class Out, class Transform>
void transform_2d(const float* const* in, Out* const* out, float* temporary, std::int64_t lanes,
                  const Transform& one) {
  for (int j = 0; j < IN; ++j) {
    const float* from[IN];
    float* to[OUT];
    for (int i = 0; i < IN; ++i) from[i] = in[i * IN + j];
    for (int k = 0; k < OUT; ++k) to[k] = temporary + (k * IN + j) * lanes;
    one(from, to, lanes);
  }
  for (int k = 0; k < OUT; ++k) {
    const float* from[IN];
    for (int j = 0; j < IN; ++j) from[j] = temporary + (k * IN + j) * lanes;
    one(from, out + k * OUT, lanes);
  }
}

inline constexpr std::int64_t kLanes = 256;  // weights are transformed in strips that stay in cache

// `each` elements of 9 matrices, which begin `distance` apart, to 36 frequencies. `flipped` turns
// the kernel by half a circle.
template <class F>
void transform_weights(const float* nine, std::int64_t distance, std::int64_t each, bool flipped,
                       F* frequencies) {
  parallel_for((each + kLanes - 1) / kLanes, 4, [=](std::int64_t begin, std::int64_t end) {
    std::array<float, kPatch * kKernel * kLanes> temporary;
    for (std::int64_t strip = begin; strip < end; ++strip) {
      const std::int64_t at = strip * kLanes, lanes = std::min(kLanes, each - at);
      const float* from[kKernel * kKernel];
      F* to[kFrequencies];
      for (int k = 0; k < 9; ++k) from[k] = nine + (flipped ? 8 - k : k) * distance + at;
      for (int f = 0; f < kFrequencies; ++f) to[f] = frequencies + f * each + at;
      transform_2d<kKernel, kPatch>(from, to, temporary.data(), lanes, WeightTransform{});
    }
  });
}

inline void transform_weight_gradients(const float* frequencies, std::int64_t each, float* nine) {
  parallel_for((each + kLanes - 1) / kLanes, 4, [=](std::int64_t begin, std::int64_t end) {
    std::array<float, kPatch * kKernel * kLanes> temporary;
    for (std::int64_t strip = begin; strip < end; ++strip) {
      const std::int64_t at = strip * kLanes, lanes = std::min(kLanes, each - at);
      const float* from[kFrequencies];
      float* to[kKernel * kKernel];
      for (int f = 0; f < kFrequencies; ++f) from[f] = frequencies + f * each + at;
      for (int k = 0; k < 9; ++k) to[k] = nine + k * each + at;
      transform_2d<kPatch, kKernel>(from, to, temporary.data(), lanes, WeightGradientTransform{});
    }
  });
}

}  // namespace bitwright::kernels::winograd
