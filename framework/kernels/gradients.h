#pragma once
// What is done to gradients between backward and the optimizer.

#include <cstdint>

namespace bitwright::kernels {

/// Sum of x[i]^2, in double, independent of the number of threads.
double sum_of_squares(std::int64_t n, const float* x);
/// x[i] <- factor * x[i]
void scale(std::int64_t n, float factor, float* x);
/// x[i] <- x[i] clamped to [-limit, limit]; NaN stays
void clamp(std::int64_t n, float limit, float* x);
/// x[i] <- (sum[i] + x[i]) * factor
void add_and_scale(std::int64_t n, const float* sum, float factor, float* x);

}  // namespace bitwright::kernels
