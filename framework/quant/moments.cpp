#include "kernels/moments.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <bitwright/core/error.h>
#include <bitwright/quant/moments.h>

namespace bitwright {

// The square of the ratio of the two deviations.
static double correction(std::int64_t n, int ddof) {
  const double ratio = static_cast<double>(n - ddof) / static_cast<double>(n);
  return ratio * ratio;
}

double Moments::kurtosis(int ddof) const {
  if (!(deviation > 0)) return std::numeric_limits<double>::quiet_NaN();
  return m4 * correction(n, ddof);
}

Moments MomentMeter::measure(std::span<const float> x) {
  require(!x.empty(), "moments of no numbers");
  const auto n = static_cast<std::int64_t>(x.size());
  // Powers around one of the numbers: what cancels below is then no larger than the spread.
  const double pivot = static_cast<double>(x.front()), count = static_cast<double>(n);
  const auto sums = kernels::power_sums(n, x.data(), pivot, parts_);
  const double s1 = sums[0] / count, s2 = sums[1] / count, s3 = sums[2] / count,
               s4 = sums[3] / count;
  const double c2 = std::max(0.0, s2 - s1 * s1);
  const double c3 = s3 - 3 * s1 * s2 + 2 * s1 * s1 * s1;
  const double c4 = s4 - 4 * s1 * s3 + 6 * s1 * s1 * s2 - 3 * s1 * s1 * s1 * s1;
  Moments m{.n = n, .mean = pivot + s1, .deviation = std::sqrt(c2), .m3 = 0, .m4 = 0};
  if (c2 > 0) m.m3 = c3 / (c2 * m.deviation), m.m4 = c4 / (c2 * c2);
  return m;
}

void kurtosis_gradient(std::span<const float> x, const Moments& m, int ddof, double factor,
                       std::span<float> gradient) {
  require(x.size() == gradient.size(), "a gradient for each number");
  if (!(m.deviation > 0)) {
    std::fill(gradient.begin(), gradient.end(), 0.0f);
    return;
  }
  kernels::shape_gradient(
      m.n, x.data(),
      {.mean = m.mean,
       .deviation = m.deviation,
       .m3 = m.m3,
       .m4 = m.m4,
       .factor = factor * correction(m.n, ddof) * 4 / (static_cast<double>(m.n) * m.deviation)},
      gradient.data());
}

}  // namespace bitwright
