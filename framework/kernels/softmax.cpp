#include "kernels/softmax.h"

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.h"

namespace bitwright::kernels {

double softmax_cross_entropy(std::int64_t rows, std::int64_t classes, const float* logits,
                             const std::int32_t* labels, float* probabilities) {
  const double total = parallel_sum(rows, 64, [=](std::int64_t begin, std::int64_t end) {
    double loss = 0;
    for (std::int64_t r = begin; r < end; ++r) {
      const float* x = logits + r * classes;
      float* p = probabilities + r * classes;
      const float top = *std::max_element(x, x + classes);
      float sum = 0;
      for (std::int64_t c = 0; c < classes; ++c) sum += p[c] = std::exp(x[c] - top);
      for (std::int64_t c = 0; c < classes; ++c) p[c] /= sum;
      loss += std::log(static_cast<double>(sum)) - static_cast<double>(x[labels[r]] - top);
    }
    return loss;
  });
  return total / static_cast<double>(rows);
}

void softmax_cross_entropy_backward(std::int64_t rows, std::int64_t classes,
                                    const float* probabilities, const std::int32_t* labels,
                                    float upstream, float* gradient) {
  const float factor = upstream / static_cast<float>(rows);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < classes; ++c)
      gradient[r * classes + c] = factor * probabilities[r * classes + c];
    gradient[r * classes + labels[r]] -= factor;
  }
}

void softmax_planes(std::int64_t planes, std::int64_t n, float factor, const float* x, float* y) {
  for_each_element(n, [=](std::int64_t i) {
    float top = x[i];
    for (std::int64_t d = 1; d < planes; ++d) top = std::max(top, x[d * n + i]);
    float sum = 0;
    for (std::int64_t d = 0; d < planes; ++d)
      sum += y[d * n + i] = std::exp(factor * (x[d * n + i] - top));
    for (std::int64_t d = 0; d < planes; ++d) y[d * n + i] /= sum;
  });
}

void softmax_planes_backward(std::int64_t planes, std::int64_t n, float factor, const float* y,
                             const float* dy, float* dx) {
  for_each_element(n, [=](std::int64_t i) {
    float mean = 0;
    for (std::int64_t d = 0; d < planes; ++d) mean += dy[d * n + i] * y[d * n + i];
    for (std::int64_t d = 0; d < planes; ++d)
      dx[d * n + i] = factor * y[d * n + i] * (dy[d * n + i] - mean);
  });
}

std::int64_t count_correct(std::int64_t rows, std::int64_t classes, const float* logits,
                           const std::int32_t* labels) {
  std::int64_t correct = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* x = logits + r * classes;
    correct += std::max_element(x, x + classes) - x == labels[r];
  }
  return correct;
}

}  // namespace bitwright::kernels
