#include "kernels/levels.h"

#include <cmath>

#include <bitwright/core/bfloat16.h>
#include <bitwright/core/vector_math.h>

#include "kernels/elementwise.h"

namespace bitwright::kernels {

static inline float on_grid(float x, const AffineGrid& grid) {
  const float place = (x - grid.offset) / grid.step;
  const float low = place < grid.first ? grid.first : place;
  const float clipped = low > grid.last ? grid.last : low;
  return grid.step * std::nearbyint(clipped) + grid.offset;
}

static inline float in_book(float x, std::span<const float> book, std::span<const float> bounds) {
  std::size_t code = 0;
  for (const float bound : bounds) code += x >= bound;
  return book[code];
}

static double power_of(double distance, double p) {
  if (p == 1) return distance;
  if (p == 2) return distance * distance;
  if (p == 3) return distance * distance * distance;
  return std::pow(distance, p);
}

template <class T>
void round_to_grid(std::int64_t n, const T* x, const AffineGrid& grid, T* y) {
  map(n, x, y, [grid](float value) { return on_grid(value, grid); });
}
template void round_to_grid(std::int64_t, const float*, const AffineGrid&, float*);
template void round_to_grid(std::int64_t, const bfloat16*, const AffineGrid&, bfloat16*);

template <class T>
void round_to_book(std::int64_t n, const T* x, std::span<const float> book,
                   std::span<const float> bounds, T* y) {
  map(n, x, y, [book, bounds](float value) { return in_book(value, book, bounds); });
}
template void round_to_book(std::int64_t, const float*, std::span<const float>,
                            std::span<const float>, float*);
template void round_to_book(std::int64_t, const bfloat16*, std::span<const float>,
                            std::span<const float>, bfloat16*);

void scaled_tanh(std::int64_t n, const float* x, float gain, float* y) {
  map(n, x, y, [gain](float value) { return vector_tanh(value) * gain; });
}

double grid_error(std::int64_t n, const float* x, const AffineGrid& grid, double p) {
  return sum_of(n, x, x, [=](float value, float) {
    return power_of(std::fabs(static_cast<double>(on_grid(value, grid) - value)), p);
  });
}

double book_error(std::int64_t n, const float* x, std::span<const float> book,
                  std::span<const float> bounds, double p) {
  return sum_of(n, x, x, [=](float value, float) {
    return power_of(std::fabs(static_cast<double>(in_book(value, book, bounds) - value)), p);
  });
}

}  // namespace bitwright::kernels
