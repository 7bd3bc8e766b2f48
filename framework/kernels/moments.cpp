#include "kernels/moments.h"

#include <algorithm>
#include <vector>

#include <bitwright/core/bfloat16.h>

#include "kernels/elementwise.h"

namespace bitwright::kernels {

template <class T>
Extremes extremes(std::int64_t n, const T* x) {
  const std::int64_t count = (n + kElementGrain - 1) / kElementGrain;
  std::vector<Extremes> parts(static_cast<std::size_t>(count));
  parallel_for(count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part) {
      const std::int64_t first = part * kElementGrain, last = std::min(first + kElementGrain, n);
      Extremes found{float(x[first]), float(x[first])};
      for (std::int64_t i = first; i < last; ++i) {
        const float value = float(x[i]);
        found.low = value < found.low ? value : found.low;
        found.high = value > found.high ? value : found.high;
      }
      parts[static_cast<std::size_t>(part)] = found;
    }
  });
  Extremes all = parts.front();
  for (const Extremes& part : parts)
    all = {std::min(all.low, part.low), std::max(all.high, part.high)};
  return all;
}
template Extremes extremes(std::int64_t, const float*);
template Extremes extremes(std::int64_t, const bfloat16*);

// Four sums side by side for each of eight lanes, in a fixed order, so that the loop vectorises.
static PowerSums sums_of_part(std::int64_t n, const float* x, double pivot) {
  constexpr int lanes = 8;
  double s1[lanes] = {}, s2[lanes] = {}, s3[lanes] = {}, s4[lanes] = {};
  const auto add = [&](int lane, float value) {
    const double d = static_cast<double>(value) - pivot, d2 = d * d;
    s1[lane] += d;
    s2[lane] += d2;
    s3[lane] += d2 * d;
    s4[lane] += d2 * d2;
  };
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int lane = 0; lane < lanes; ++lane) add(lane, x[i + lane]);
  for (; i < n; ++i) add(0, x[i]);
  PowerSums sums{};
  for (int lane = 0; lane < lanes; ++lane) {
    sums[0] += s1[lane];
    sums[1] += s2[lane];
    sums[2] += s3[lane];
    sums[3] += s4[lane];
  }
  return sums;
}

PowerSums power_sums(std::int64_t n, const float* x, double pivot, std::vector<PowerSums>& parts) {
  const std::int64_t count = (n + kElementGrain - 1) / kElementGrain;
  parts.resize(static_cast<std::size_t>(count));
  parallel_for(count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part) {
      const std::int64_t first = part * kElementGrain;
      parts[static_cast<std::size_t>(part)] =
          sums_of_part(std::min(kElementGrain, n - first), x + first, pivot);
    }
  });
  PowerSums total{};
  for (const PowerSums& part : parts)
    for (std::size_t k = 0; k < total.size(); ++k) total[k] += part[k];
  return total;
}

void shape_gradient(std::int64_t n, const float* __restrict x, const ShapeGradient& at,
                    float* __restrict g) {
  const auto mean = static_cast<float>(at.mean), scale = static_cast<float>(1 / at.deviation),
             m3 = static_cast<float>(at.m3), m4 = static_cast<float>(at.m4),
             factor = static_cast<float>(at.factor);
  for_each_element(n, [=](std::int64_t i) {
    const float z = (x[i] - mean) * scale;
    g[i] = factor * (z * (z * z - m4) - m3);
  });
}

}  // namespace bitwright::kernels
