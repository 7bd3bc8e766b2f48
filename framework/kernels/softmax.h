#pragma once
// Softmax and cross-entropy.

#include <cstdint>

namespace bitwright::kernels {

/// Row-wise softmax of logits [rows, classes]; returns the mean over rows of
/// -log probability[label].
double softmax_cross_entropy(std::int64_t rows, std::int64_t classes, const float* logits,
                             const std::int32_t* labels, float* probabilities);

/// d(mean loss)/d(logits) * upstream = upstream * (probabilities - onehot(label)) / rows.
void softmax_cross_entropy_backward(std::int64_t rows, std::int64_t classes,
                                    const float* probabilities, const std::int32_t* labels,
                                    float upstream, float* gradient);

/// Softmax of factor * x along the first axis of [planes, n].
void softmax_planes(std::int64_t planes, std::int64_t n, float factor, const float* x, float* y);
/// dx = factor * y * (dy - sum over planes of dy * y).
void softmax_planes_backward(std::int64_t planes, std::int64_t n, float factor, const float* y,
                             const float* dy, float* dx);

/// Rows whose largest logit (the first one among equals) is the label's.
std::int64_t count_correct(std::int64_t rows, std::int64_t classes, const float* logits,
                           const std::int32_t* labels);

}  // namespace bitwright::kernels
