#include "kernels/degenerate.h"

namespace bitwright::kernels {

bool all_zero(std::int64_t n, const float* x) {
  for (std::int64_t i = 0; i < n; ++i)
    if (x[i] != 0) return false;
  return n > 0;
}

std::optional<std::int64_t> first_at_most(std::int64_t n, const float* x, float bound) {
  for (std::int64_t i = 0; i < n; ++i)
    if (x[i] <= bound) return i;
  return {};
}

}  // namespace bitwright::kernels
