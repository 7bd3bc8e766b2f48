#pragma once
// Batch normalisation over the rows of a [rows, channels] matrix; channels_last images and
// [N, C] activations are both of that form. T is float or bfloat16; statistics are float.

#include <cstdint>

#include <bitwright/core/bfloat16.h>

namespace bitwright::kernels {

/// Mean and biased variance of every channel, in one pass. Sums are taken of differences to a value
/// near the mean, so that a mean far from zero costs no digits.
template <class T>
void channel_moments(std::int64_t rows, std::int64_t channels, const T* x, float* mean,
                     float* variance);

/// What one normalisation needs; scale and shift may be null (1 and 0).
struct Normalization {
  std::int64_t rows = 0, channels = 0;
  const float *mean = nullptr, *inverse_sd = nullptr, *scale = nullptr, *shift = nullptr;
  bool relu = false;  ///< y = max(0, ...) after all else
};

/// y = (x - mean) * inverse_sd * scale + shift (+ residual, unless null), then the ReLU.
template <class T>
void normalize(const Normalization& n, const T* x, const T* residual, T* y);

/// The gradient g that reaches the normalisation (dy where the ReLU passed, y > 0), and per
/// channel its sum and the sum of g * (x - mean) * inverse_sd: the gradients of shift and scale.
/// `masked`, unless null, receives g.
template <class T>
void normalize_gradient_sums(const Normalization& n, const T* x, const T* y, const T* dy, T* masked,
                             float* sum_g, float* sum_g_xhat);

/// Gradient through batch statistics (Ioffe and Szegedy 2015, section 3):
/// dx = scale * inverse_sd * (g - sum_g / rows - xhat * sum_g_xhat / rows).
template <class T>
void normalize_backward(const Normalization& n, const T* x, const T* y, const T* dy,
                        const float* sum_g, const float* sum_g_xhat, T* dx);

}  // namespace bitwright::kernels
