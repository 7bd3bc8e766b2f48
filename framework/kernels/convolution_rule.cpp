#include "kernels/convolution_rule.h"

#include <algorithm>

#include "kernels/cpu.h"

namespace bitwright::kernels {

std::string_view name_of(ConvAlgorithm algorithm) {
  switch (algorithm) {
    case ConvAlgorithm::winograd:
      return "winograd";
    case ConvAlgorithm::patches:
      return "patches";
    case ConvAlgorithm::direct:
      break;
  }
  return "direct";
}

// Measured on AMD Zen 4 (AVX-512 with bf16, no AMX) and Intel Sapphire Rapids (AMX), batch 64 to
// 128, one and two threads.
ConvAlgorithm choose_algorithm(const ConvShape& s, ConvPass pass) {
  const std::int64_t narrow = std::min(s.c, s.out_channels);
  const std::int64_t pixels = s.out_h() * s.out_w();
  const bool bf16_with_amx = s.type == DType::bf16 && has_amx();
  // One and a half (16 channels) to three times faster than the direct algorithm. The transforms
  // eat the gain of fewer channels, padded tiles that of images below 4x4. AMX is faster still.
  if (winograd_fits(s) && narrow >= 16 && pixels >= 16 && !bf16_with_amx)
    return ConvAlgorithm::winograd;
  // oneDNN 2.6 without AVX-512 writes past the end of this gradient.
  if (patches_fit(s) && pass == ConvPass::backward_weights && s.kernel_h * s.kernel_w == 1 &&
      s.stride > 1 && s.c < 8)
    return ConvAlgorithm::patches;
  // oneDNN leaves vectors idle on small images: in all passes with AMX, else where the stride makes
  // the gradient of the weights irregular.
  if (patches_fit(s) && narrow >= 64 && pixels <= 16) {
    if (bf16_with_amx) return ConvAlgorithm::patches;
    if (s.stride > 1 && pass == ConvPass::backward_weights) return ConvAlgorithm::patches;
  }
  return ConvAlgorithm::direct;
}

}  // namespace bitwright::kernels
