#pragma once
// Elementary functions that a compiler can vectorise: no branch, no table, no call. The standard
// library's are none of these unless the whole program is built with relaxed arithmetic.

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace bitwright {

/// e^x within 2 units in the last place, in [-87.33, 88.72]; 0 below (where the result would be
/// denormal), infinity above; NaN stays NaN.
inline float vector_exp(float x) {
  // x = n ln 2 + r with n an integer and |r| <= ln(2)/2; then e^x = 2^n e^r.
  const float clipped = x < -88.0f ? -88.0f : (x > 89.0f ? 89.0f : x);
  constexpr float to_integer = 12582912.0f;  // 1.5 * 2^23: adding it rounds to the nearest integer
  const float shifted = clipped * 1.44269504f + to_integer;
  const float n = shifted - to_integer;
  const std::int32_t exponent =
      std::bit_cast<std::int32_t>(shifted) - std::bit_cast<std::int32_t>(to_integer);
  // ln 2 in two parts: the product of n and the first one is exact.
  const float r = (clipped - n * 0.693359375f) + n * 2.12194440e-4f;
  // e^r = 1 + r + r^2 p(r), p interpolated at the Chebyshev nodes of the interval.
  float p = 0.00139262504f;
  p = p * r + 0.00836323295f;
  p = p * r + 0.0416665524f;
  p = p * r + 0.166665763f;
  p = p * r + 0.5f;
  const float e = (p * (r * r) + r) + 1.0f;
  // 2^n in two factors, because n = 128 has no float of its own.
  const std::int32_t half = exponent >> 1;
  const auto power = [](std::int32_t k) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(k + 127) << 23);
  };
  const float result = e * power(half) * power(exponent - half);
  return x < -87.33f ? 0.0f : (x > 88.7228394f ? std::numeric_limits<float>::infinity() : result);
}

/// 1 / (1 + e^-x) within 2.5 units in the last place; below -87.33, where e^x would be denormal, 0.
inline float vector_sigmoid(float x) {
  // e^-|x| lies in (0, 1]: no overflow, and its error is damped by the sum.
  const float e = vector_exp(-std::fabs(x));
  return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

/// The hyperbolic tangent within 2 units in the last place.
inline float vector_tanh(float x) {
  const float a = std::fabs(x);
  const float far = 1.0f - 2.0f / (vector_exp(2.0f * a) + 1.0f);
  // Near zero that cancels: a + a^3 p(a^2), p interpolated at the Chebyshev nodes of [0, 0.625^2].
  const float z = a * a;
  float p = -0.006095332093536854f;
  p = p * z + 0.020996229723095894f;
  p = p * z - 0.05385071039199829f;
  p = p * z + 0.1333276778459549f;
  p = p * z - 0.333333283662796f;
  const float near = a + a * z * p;
  return std::copysign(a < 0.625f ? near : far, x);
}

}  // namespace bitwright
