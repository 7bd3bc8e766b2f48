#pragma once

#include <cstdint>

#include <bitwright/core/rng.h>

namespace bitwright::kernels {

/// keep[i] = 1 with probability 1 - `probability`, else 0. Element i takes word i % 4 of the
/// stream's block i / 4, so threads do not matter.
void draw_mask(const Rng& rng, std::int64_t n, double probability, std::uint8_t* keep);

/// y = keep ? factor * x : 0. T is float or bfloat16.
template <class T>
void apply_mask(std::int64_t n, const std::uint8_t* keep, float factor, const T* x, T* y);

}  // namespace bitwright::kernels
