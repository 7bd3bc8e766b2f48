#pragma once
// Softmax, its logarithm, and cross-entropy.

#include <cstdint>

namespace bitwright::kernels {

// Row-wise, on [rows, columns].
void softmax(std::int64_t rows, std::int64_t columns, const float* x, float* y);
/// dx = y * (dy - sum over the row of dy * y)
void softmax_backward(std::int64_t rows, std::int64_t columns, const float* y, const float* dy,
                      float* dx);
void log_softmax(std::int64_t rows, std::int64_t columns, const float* x, float* y);
/// dx = dy - e^y * sum over the row of dy
void log_softmax_backward(std::int64_t rows, std::int64_t columns, const float* y, const float* dy,
                          float* dx);

/// Row-wise softmax of logits [rows, classes]; returns the mean over rows of
/// -sum over the classes of target * log probability, where the target of the label's class is
/// 1 - smoothing + smoothing / classes, that of the others smoothing / classes.
double softmax_cross_entropy(std::int64_t rows, std::int64_t classes, const float* logits,
                             const std::int32_t* labels, float* probabilities, float smoothing = 0);
/// d(mean loss)/d(logits) * upstream = upstream * (probabilities - target) / rows.
void softmax_cross_entropy_backward(std::int64_t rows, std::int64_t classes,
                                    const float* probabilities, const std::int32_t* labels,
                                    float upstream, float* gradient, float smoothing = 0);
/// gradient = factor * (e^log_p * (sum over the row of target) - target)
void soft_cross_entropy_backward(std::int64_t rows, std::int64_t classes, const float* log_p,
                                 const float* target, float factor, float* gradient);

/// Softmax of factor * x along the first axis of [planes, n].
void softmax_planes(std::int64_t planes, std::int64_t n, float factor, const float* x, float* y);
/// dx = factor * y * (dy - sum over planes of dy * y).
void softmax_planes_backward(std::int64_t planes, std::int64_t n, float factor, const float* y,
                             const float* dy, float* dx);

/// Rows whose largest logit (the first one among equals) is the label's.
std::int64_t count_correct(std::int64_t rows, std::int64_t classes, const float* logits,
                           const std::int32_t* labels);

}  // namespace bitwright::kernels
