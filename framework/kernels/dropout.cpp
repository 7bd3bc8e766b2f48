#include "kernels/dropout.h"

#include <algorithm>
#include <cmath>

#include <bitwright/core/bfloat16.h>

#include "kernels/elementwise.h"

namespace bitwright::kernels {

void draw_mask(const Rng& rng, std::int64_t n, double probability, std::uint8_t* keep) {
  // Dropped where the word is below p 2^32; p = 1 drops all of them.
  const auto bound = static_cast<std::uint64_t>(std::llround(std::ldexp(probability, 32)));
  parallel_for((n + 3) / 4, 1024, [&, keep](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const auto words = rng.block(static_cast<std::uint64_t>(b));
      const std::int64_t count = std::min<std::int64_t>(4, n - 4 * b);
      for (std::int64_t k = 0; k < count; ++k)
        keep[4 * b + k] = words[static_cast<std::size_t>(k)] >= bound;
    }
  });
}

template <class T>
void apply_mask(std::int64_t n, const std::uint8_t* __restrict keep, float factor,
                const T* __restrict x, T* __restrict y) {
  for_each_element(n, [=](std::int64_t i) {
    const float scaled = factor * float(x[i]);
    y[i] = T(keep[i] != 0 ? scaled : 0.f);
  });
}

template void apply_mask(std::int64_t, const std::uint8_t*, float, const float*, float*);
template void apply_mask(std::int64_t, const std::uint8_t*, float, const bfloat16*, bfloat16*);

}  // namespace bitwright::kernels
