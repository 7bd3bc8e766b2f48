#pragma once

#include <cstdint>

#include <bitwright/core/bfloat16.h>

namespace bitwright::kernels {

enum class Finite { all, nan, inf };
/// Of n values: all finite, or what the first one is that is not.
Finite check_finite(std::int64_t n, const float* x);
Finite check_finite(std::int64_t n, const bfloat16* x);

}  // namespace bitwright::kernels
