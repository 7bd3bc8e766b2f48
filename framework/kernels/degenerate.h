#pragma once

#include <cstdint>
#include <optional>

namespace bitwright::kernels {

/// Whether n values are 0 without exception; false for none. Stops at the first other one.
bool all_zero(std::int64_t n, const float* x);
/// Index of the first of n values that is `bound` or less; a NaN is not.
std::optional<std::int64_t> first_at_most(std::int64_t n, const float* x, float bound);

}  // namespace bitwright::kernels
