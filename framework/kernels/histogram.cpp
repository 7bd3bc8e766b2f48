#include "kernels/histogram.h"

#include <algorithm>
#include <bit>
#include <vector>

#include <bitwright/core/bfloat16.h>
#include <bitwright/core/parallel.h>

namespace bitwright::kernels {

namespace {

constexpr std::int64_t kGrain = 1 << 16;

// By the bits of the exponent: no compiler option changes what that means.
bool is_finite(float value) {
  return (std::bit_cast<std::uint32_t>(value) & 0x7f800000u) != 0x7f800000u;
}

template <class T>
FiniteRange range_of_part(std::int64_t n, const T* x) {
  constexpr float inf = std::numeric_limits<float>::infinity();
  float low = inf, high = -inf;
  std::int32_t finite = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const float value = float(x[i]);
    const bool counts = is_finite(value);
    const float below = counts ? value : inf, above = counts ? value : -inf;
    low = below < low ? below : low;
    high = above > high ? above : high;
    finite += counts;
  }
  return {low, high, n - finite};
}

std::int64_t parts_of(std::int64_t n) { return (n + kGrain - 1) / kGrain; }

}  // namespace

void FiniteRange::add(const FiniteRange& other) {
  low = std::min(low, other.low);
  high = std::max(high, other.high);
  not_finite += other.not_finite;
}

template <class T>
FiniteRange finite_range(std::int64_t n, const T* x) {
  std::vector<FiniteRange> parts(static_cast<std::size_t>(parts_of(n)));
  parallel_for(parts_of(n), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part)
      parts[static_cast<std::size_t>(part)] =
          range_of_part(std::min(kGrain, n - part * kGrain), x + part * kGrain);
  });
  FiniteRange all;
  for (const FiniteRange& part : parts) all.add(part);
  return all;
}
template FiniteRange finite_range(std::int64_t, const float*);
template FiniteRange finite_range(std::int64_t, const bfloat16*);

template <class T>
void count_in_bins(std::int64_t n, const T* x, float low, float high,
                   std::span<std::int64_t> counts) {
  const auto bins = static_cast<std::int64_t>(counts.size());
  const double width = static_cast<double>(high) - static_cast<double>(low);
  const double per_unit = width > 0 ? static_cast<double>(bins) / width : 0;
  // Each member of the team counts for itself; sums of whole numbers have no order.
  const std::int64_t team =
      std::min<std::int64_t>(threads(), std::max<std::int64_t>(parts_of(n), 1));
  std::vector<std::int64_t> parts(static_cast<std::size_t>(team * bins));
  parallel_for(team, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t member = begin; member < end; ++member) {
      std::int64_t* const own = parts.data() + member * bins;
      for (std::int64_t i = n * member / team; i < n * (member + 1) / team; ++i) {
        const float value = float(x[i]);
        if (!is_finite(value)) continue;
        const double at = (static_cast<double>(value) - static_cast<double>(low)) * per_unit;
        ++own[std::min(static_cast<std::int64_t>(at), bins - 1)];
      }
    }
  });
  for (std::int64_t member = 0; member < team; ++member)
    for (std::int64_t b = 0; b < bins; ++b)
      counts[static_cast<std::size_t>(b)] += parts[static_cast<std::size_t>(member * bins + b)];
}
template void count_in_bins(std::int64_t, const float*, float, float, std::span<std::int64_t>);
template void count_in_bins(std::int64_t, const bfloat16*, float, float, std::span<std::int64_t>);

}  // namespace bitwright::kernels
