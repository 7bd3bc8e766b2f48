#pragma once
// The upper half of an IEEE single: 8 exponent bits, 7 stored bits of significand. Storage only;
// arithmetic is done in float.

#include <bit>
#include <cstdint>

namespace bitwright {

struct bfloat16 {
  bfloat16() = default;
  /// Nearest value, ties to even; NaN stays NaN.
  explicit bfloat16(float value) {
    const auto u = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    const std::uint32_t quiet_nan = (u >> 16) | 0x40u;
    bits = static_cast<std::uint16_t>((u & 0x7fffffffu) > 0x7f800000u ? quiet_nan : rounded);
  }
  operator float() const {  // NOLINT: every bfloat16 is a float
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
  std::uint16_t bits;
};

}  // namespace bitwright
