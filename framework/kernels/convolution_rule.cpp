#include "kernels/convolution_rule.h"

#include <algorithm>

#include "kernels/cpu.h"

namespace bitwright::kernels {

namespace {

// bf16 without AMX. oneDNN's direct weight gradient there lets threads wait for each other without
// yielding: with a busy process beside it, it takes tens of times its time alone. Small images and
// strides it also computes slowly. One of the others is taken wherever it costs little.
ConvAlgorithm bf16_weight_gradient(const ConvShape& s, bool winograd_pays) {
  const std::int64_t pixels = s.out_h() * s.out_w();
  if (patches_fit(s) && s.kernel_h * s.kernel_w > 1 && s.c >= 16 && (s.stride > 1 || pixels < 16))
    return ConvAlgorithm::patches;
  if (winograd_pays || (winograd_fits(s) && s.out_channels >= 64 && pixels >= 16))
    return ConvAlgorithm::winograd_bf16;
  return ConvAlgorithm::direct;
}

// Spreading the weights must be worth it: large batches, and enough channels to fill vectors.
bool dense_pays(const ConvShape& s, bool weights) {
  const std::int64_t narrow = std::min(s.c, s.out_channels);
  return dense_fits(s) && s.kernel_h * s.kernel_w > 1 && s.h * s.w <= 4 && s.n >= 64 &&
         narrow >= (weights ? 64 : 256);
}

ConvAlgorithm with_amx(const ConvShape& s) {
  // AMX leaves most of its tiles idle on small images.
  const bool small = std::min(s.c, s.out_channels) >= 64 && s.out_h() * s.out_w() <= 16;
  return patches_fit(s) && small ? ConvAlgorithm::patches : ConvAlgorithm::direct;
}

}  // namespace

// Measured on AMD Zen 4 (AVX-512 with bf16, no AMX) and Intel Sapphire Rapids (AMX), batch 64 to
// 128, one and two threads.
ConvAlgorithm choose_algorithm(const ConvShape& s, ConvPass pass) {
  const std::int64_t narrow = std::min(s.c, s.out_channels);
  const std::int64_t pixels = s.out_h() * s.out_w();
  const bool bf16 = s.type == DType::bf16, weights = pass == ConvPass::backward_weights;
  // oneDNN 2.6 without AVX-512 writes past the end of this gradient.
  if (patches_fit(s) && weights && s.kernel_h * s.kernel_w == 1 && s.stride > 1 && s.c < 8)
    return ConvAlgorithm::patches;
  if (bf16 && has_amx()) return with_amx(s);
  if (dense_pays(s, weights)) return ConvAlgorithm::dense;
  // One and a half (16 channels) to three times faster than the direct algorithm in f32. The
  // transforms eat the gain of fewer channels, padded tiles that of images below 4x4.
  const bool winograd_pays = winograd_fits(s) && narrow >= 16 && pixels >= 16;
  if (bf16 && weights && has_native_bf16()) return bf16_weight_gradient(s, winograd_pays);
  if (winograd_pays && bf16 && has_native_bf16() && pass == ConvPass::backward_data)
    return ConvAlgorithm::winograd_bf16;
  if (winograd_pays) return ConvAlgorithm::winograd;
  // oneDNN leaves vectors idle where the stride makes the gradient of the weights irregular.
  if (patches_fit(s) && weights && narrow >= 64 && pixels <= 16 && s.stride > 1)
    return ConvAlgorithm::patches;
  return ConvAlgorithm::direct;
}

}  // namespace bitwright::kernels
