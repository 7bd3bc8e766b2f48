#include "kernels/finite.h"

#include <bit>

#include <bitwright/core/parallel.h>

namespace bitwright::kernels {

// A value is not finite when all bits of its exponent are set, and then a NaN when any bit behind
// them is. Whole numbers, because they vectorise and no compiler option changes what they mean.
template <class Bits, Bits exponent, Bits mantissa, class T>
static Finite check(std::int64_t n, const T* x) {
  const double bad = parallel_sum(n, 1 << 16, [x](std::int64_t begin, std::int64_t end) {
    std::int32_t count = 0;
    for (std::int64_t i = begin; i < end; ++i)
      count += (std::bit_cast<Bits>(x[i]) & exponent) == exponent;
    return static_cast<double>(count);
  });
  if (bad == 0) return Finite::all;
  while ((std::bit_cast<Bits>(*x) & exponent) != exponent) ++x;
  return (std::bit_cast<Bits>(*x) & mantissa) != 0 ? Finite::nan : Finite::inf;
}

Finite check_finite(std::int64_t n, const float* x) {
  return check<std::uint32_t, 0x7f800000u, 0x007fffffu>(n, x);
}
Finite check_finite(std::int64_t n, const bfloat16* x) {
  return check<std::uint16_t, std::uint16_t{0x7f80}, std::uint16_t{0x007f}>(n, x);
}

}  // namespace bitwright::kernels
