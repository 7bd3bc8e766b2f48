#include "kernels/softmax.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <bitwright/core/vector_math.h>

#include "kernels/elementwise.h"

namespace bitwright::kernels {

namespace {

constexpr std::int64_t kRowGrain = 4096;  // elements

// body(offset of the row)
template <class Body>
void for_each_row(std::int64_t rows, std::int64_t columns, Body body) {
  parallel_for(rows, std::max<std::int64_t>(1, kRowGrain / columns),
               [=](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t r = begin; r < end; ++r) body(r * columns);
               });
}

// Sums whose order is fixed and that vectorise: element i goes to lane i mod 16.
template <class F>
float sum_row(std::int64_t n, F term) {
  constexpr std::int64_t kLanes = 16;
  std::array<float, kLanes> lanes{};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (std::int64_t k = 0; k < kLanes; ++k) lanes[static_cast<std::size_t>(k)] += term(i + k);
  for (std::int64_t k = 0; i < n; ++i, ++k) lanes[static_cast<std::size_t>(k)] += term(i);
  float total = 0;
  for (float lane : lanes) total += lane;
  return total;
}

float largest(std::int64_t n, const float* x) {
  float top = x[0];
  for (std::int64_t i = 1; i < n; ++i) top = x[i] > top || x[i] != x[i] ? x[i] : top;
  return top;
}

// p = e^(x - max x); returns the largest x and the sum of p.
struct Exponentials {
  float top, sum;
};
Exponentials exponentials(std::int64_t n, const float* __restrict x, float* __restrict p) {
  const float top = largest(n, x);
  for (std::int64_t i = 0; i < n; ++i) p[i] = vector_exp(x[i] - top);
  return {top, sum_row(n, [p](std::int64_t i) { return p[i]; })};
}

void divide(std::int64_t n, float* p, float divisor) {
  for (std::int64_t i = 0; i < n; ++i) p[i] /= divisor;
}

}  // namespace

void softmax(std::int64_t rows, std::int64_t columns, const float* x, float* y) {
  for_each_row(rows, columns, [=](std::int64_t at) {
    divide(columns, y + at, exponentials(columns, x + at, y + at).sum);
  });
}

void softmax_backward(std::int64_t rows, std::int64_t columns, const float* y, const float* dy,
                      float* dx) {
  for_each_row(rows, columns, [=](std::int64_t at) {
    const float* __restrict p = y + at, * __restrict g = dy + at;
    float* __restrict d = dx + at;
    const float mean = sum_row(columns, [=](std::int64_t i) { return g[i] * p[i]; });
    for (std::int64_t i = 0; i < columns; ++i) d[i] = p[i] * (g[i] - mean);
  });
}

void log_softmax(std::int64_t rows, std::int64_t columns, const float* x, float* y) {
  for_each_row(rows, columns, [=](std::int64_t at) {
    const float* __restrict in = x + at;
    float* __restrict out = y + at;
    const auto [top, sum] = exponentials(columns, in, out);
    const float log_sum = std::log(sum);
    for (std::int64_t i = 0; i < columns; ++i) out[i] = in[i] - top - log_sum;
  });
}

void log_softmax_backward(std::int64_t rows, std::int64_t columns, const float* y, const float* dy,
                          float* dx) {
  for_each_row(rows, columns, [=](std::int64_t at) {
    const float* __restrict log_p = y + at, * __restrict g = dy + at;
    float* __restrict d = dx + at;
    const float total = sum_row(columns, [=](std::int64_t i) { return g[i]; });
    for (std::int64_t i = 0; i < columns; ++i) d[i] = g[i] - vector_exp(log_p[i]) * total;
  });
}

double softmax_cross_entropy(std::int64_t rows, std::int64_t classes, const float* logits,
                             const std::int32_t* labels, float* probabilities, float smoothing) {
  const double share = static_cast<double>(smoothing) / static_cast<double>(classes);
  const double total = parallel_sum(rows, 64, [=](std::int64_t begin, std::int64_t end) {
    double loss = 0;
    for (std::int64_t r = begin; r < end; ++r) {
      const float* x = logits + r * classes;
      float* p = probabilities + r * classes;
      const auto [top, sum] = exponentials(classes, x, p);
      divide(classes, p, sum);
      const double log_sum = std::log(static_cast<double>(sum));
      const auto log_p = [&](std::int64_t c) { return static_cast<double>(x[c] - top) - log_sum; };
      loss -= (1 - static_cast<double>(smoothing)) * log_p(labels[r]);
      for (std::int64_t c = 0; share > 0 && c < classes; ++c) loss -= share * log_p(c);
    }
    return loss;
  });
  return total / static_cast<double>(rows);
}

void softmax_cross_entropy_backward(std::int64_t rows, std::int64_t classes,
                                    const float* probabilities, const std::int32_t* labels,
                                    float upstream, float* gradient, float smoothing) {
  const float factor = upstream / static_cast<float>(rows);
  const float share = smoothing / static_cast<float>(classes);
  for_each_row(rows, classes, [=](std::int64_t at) {
    for (std::int64_t c = 0; c < classes; ++c)
      gradient[at + c] = factor * (probabilities[at + c] - share);
    gradient[at + labels[at / classes]] -= factor * (1 - smoothing);
  });
}

void soft_cross_entropy_backward(std::int64_t rows, std::int64_t classes, const float* log_p,
                                 const float* target, float factor, float* gradient) {
  for_each_row(rows, classes, [=](std::int64_t at) {
    const float* __restrict l = log_p + at, * __restrict t = target + at;
    float* __restrict d = gradient + at;
    const float total = sum_row(classes, [=](std::int64_t c) { return t[c]; });
    for (std::int64_t c = 0; c < classes; ++c) d[c] = factor * (vector_exp(l[c]) * total - t[c]);
  });
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
