#include "kernels/sorting.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include <bitwright/core/bfloat16.h>
#include <bitwright/core/parallel.h>

namespace bitwright::kernels {
namespace {

// A number whose order is that of (value, position): sorting these is stable and needs no memory.
std::uint64_t key_of(float value, std::int64_t position) {
  std::uint32_t bits = std::bit_cast<std::uint32_t>(value + 0.f);  // -0 becomes +0
  bits = (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
  if (value != value) bits = 0xffffffffu;
  return (std::uint64_t{bits} << 32) | static_cast<std::uint64_t>(position);
}
std::int32_t position_of(std::uint64_t key) { return static_cast<std::int32_t>(key & 0xffffffffu); }

// body(offset of the line's first element, its scratch)
template <class Body>
void for_each_line(const LinePlan& p, std::uint64_t* keys, Body body) {
  parallel_for(p.lines(), std::max<std::int64_t>(1, 4096 / p.length),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t line = begin; line < end; ++line)
                   body(line, line / p.inner * p.length * p.inner + line % p.inner,
                        keys == nullptr ? nullptr : keys + line * p.length);
               });
}

template <class T>
void fill_keys(const LinePlan& p, const T* x, std::uint64_t* keys) {
  for (std::int64_t k = 0; k < p.length; ++k) keys[k] = key_of(float(x[k * p.inner]), k);
}

struct Rank {
  std::int64_t low, high;
  float weight;  ///< of the high one
};
Rank rank_of(double q, std::int64_t length) {
  const double at = q * static_cast<double>(length - 1);
  const auto low = static_cast<std::int64_t>(std::floor(at));
  return {low, std::min(low + 1, length - 1), static_cast<float>(at - static_cast<double>(low))};
}

}  // namespace

template <class T>
void sort_lines(const LinePlan& p, const T* x, T* values, std::int32_t* order,
                std::uint64_t* keys) {
  for_each_line(p, keys, [=](std::int64_t, std::int64_t at, std::uint64_t* own) {
    fill_keys(p, x + at, own);
    std::sort(own, own + p.length);
    for (std::int64_t k = 0; k < p.length; ++k) {
      const std::int32_t from = position_of(own[k]);
      order[at + k * p.inner] = from;
      values[at + k * p.inner] = x[at + from * p.inner];
    }
  });
}

template <class T>
void unsort_lines(const LinePlan& p, const std::int32_t* order, const T* dy, T* dx) {
  for_each_line(p, nullptr, [=](std::int64_t, std::int64_t at, std::uint64_t*) {
    for (std::int64_t k = 0; k < p.length; ++k)
      dx[at + order[at + k * p.inner] * p.inner] = dy[at + k * p.inner];
  });
}

template <class T>
void quantile_lines(const LinePlan& p, double q, const T* x, float* values, std::int32_t* index,
                    std::uint64_t* keys) {
  const Rank rank = rank_of(q, p.length);
  for_each_line(p, keys, [=](std::int64_t line, std::int64_t at, std::uint64_t* own) {
    fill_keys(p, x + at, own);
    std::nth_element(own, own + rank.low, own + p.length);
    const std::int32_t low = position_of(own[rank.low]);
    const std::int32_t high = rank.high == rank.low
                                  ? low
                                  : position_of(*std::min_element(own + rank.high, own + p.length));
    const bool has_nan = *std::max_element(own + rank.low, own + p.length) >> 32 == 0xffffffffu;
    const float a = float(x[at + low * p.inner]), b = float(x[at + high * p.inner]);
    const float between = rank.weight == 0 ? a : a + rank.weight * (b - a);
    values[line] = has_nan ? std::numeric_limits<float>::quiet_NaN() : between;
    index[2 * line] = low;
    index[2 * line + 1] = high;
  });
}

template <class T>
void quantile_lines_backward(const LinePlan& p, double q, const std::int32_t* index,
                             const float* dy, T* dx) {
  const Rank rank = rank_of(q, p.length);
  for_each_line(p, nullptr, [=](std::int64_t line, std::int64_t at, std::uint64_t*) {
    for (std::int64_t k = 0; k < p.length; ++k) dx[at + k * p.inner] = T(0.f);
    const std::int64_t low = index[2 * line], high = index[2 * line + 1];
    if (low == high) {
      dx[at + low * p.inner] = T(dy[line]);
    } else {
      dx[at + low * p.inner] = T((1 - rank.weight) * dy[line]);
      dx[at + high * p.inner] = T(rank.weight * dy[line]);
    }
  });
}

template void sort_lines(const LinePlan&, const float*, float*, std::int32_t*, std::uint64_t*);
template void sort_lines(const LinePlan&, const bfloat16*, bfloat16*, std::int32_t*,
                         std::uint64_t*);
template void unsort_lines(const LinePlan&, const std::int32_t*, const float*, float*);
template void unsort_lines(const LinePlan&, const std::int32_t*, const bfloat16*, bfloat16*);
template void quantile_lines(const LinePlan&, double, const float*, float*, std::int32_t*,
                             std::uint64_t*);
template void quantile_lines(const LinePlan&, double, const bfloat16*, float*, std::int32_t*,
                             std::uint64_t*);
template void quantile_lines_backward(const LinePlan&, double, const std::int32_t*, const float*,
                                      float*);
template void quantile_lines_backward(const LinePlan&, double, const std::int32_t*, const float*,
                                      bfloat16*);

}  // namespace bitwright::kernels
