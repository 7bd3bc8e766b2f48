#pragma once
// Rounding to the levels of a quantizer, and the error that this makes.

#include <cstdint>
#include <span>

namespace bitwright::kernels {

/// Levels step * code + offset, code = first .. last.
struct AffineGrid {
  float step = 1, offset = 0, first = 0, last = 0;
};

/// y[i] = the level of x[i]: clipped first, then rounded, ties to even. T is float or bfloat16.
template <class T>
void round_to_grid(std::int64_t n, const T* x, const AffineGrid& grid, T* y);

/// y[i] = book[number of bounds that x[i] has reached]; book has one more number than bounds.
template <class T>
void round_to_book(std::int64_t n, const T* x, std::span<const float> book,
                   std::span<const float> bounds, T* y);

/// y[i] = tanh(x[i]) * gain
void scaled_tanh(std::int64_t n, const float* x, float gain, float* y);

/// Sums of |x[i] - y|^p over all levels y of the x[i]; p > 0. In double, independent of threads.
double grid_error(std::int64_t n, const float* x, const AffineGrid& grid, double p);
double book_error(std::int64_t n, const float* x, std::span<const float> book,
                  std::span<const float> bounds, double p);

}  // namespace bitwright::kernels
