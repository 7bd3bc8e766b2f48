#pragma once
// Batch normalisation over the rows of a [rows, channels] matrix; channels_last images and
// [N, C] activations are both of that form.

#include <cstdint>

namespace bitwright::kernels {

/// Mean and biased variance of every channel, in two passes (no cancellation).
void channel_moments(std::int64_t rows, std::int64_t channels, const float* x, float* mean,
                     float* variance);

/// y = (x - mean) * inverse_sd * scale + shift; scale and shift may be null (1 and 0).
void normalize(std::int64_t rows, std::int64_t channels, const float* x, const float* mean,
               const float* inverse_sd, const float* scale, const float* shift, float* y);

/// Per channel: sum of dy, and sum of dy * (x - mean) * inverse_sd (the gradients of shift and
/// scale).
void normalize_gradient_sums(std::int64_t rows, std::int64_t channels, const float* x,
                             const float* dy, const float* mean, const float* inverse_sd,
                             float* sum_dy, float* sum_dy_xhat);

/// Gradient through batch statistics (Ioffe and Szegedy 2015, section 3):
/// dx = scale * inverse_sd * (dy - sum_dy / rows - xhat * sum_dy_xhat / rows).
void normalize_backward(std::int64_t rows, std::int64_t channels, const float* x, const float* dy,
                        const float* mean, const float* inverse_sd, const float* scale,
                        const float* sum_dy, const float* sum_dy_xhat, float* dx);

}  // namespace bitwright::kernels
