#include "planes.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include <bitwright/core/error.h>
#include <bitwright/core/parallel.h>

namespace bitwright::bsq {
namespace {

// A chunk is what one thread takes at a time, and what sums are cut into; a tile of all planes
// stays in L1.
constexpr std::int64_t kTile = 512, kChunk = 16 * kTile;

std::int64_t chunks_of(std::int64_t n) { return (n + kChunk - 1) / kChunk; }

// body(chunk, at, size) for every tile.
template <class Body>
void for_tiles(std::int64_t n, const Body& body) {
  parallel_for(chunks_of(n), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t chunk = begin; chunk < end; ++chunk)
      for (std::int64_t at = chunk * kChunk; at < std::min(n, (chunk + 1) * kChunk); at += kTile)
        body(chunk, at, static_cast<int>(std::min(kTile, std::min(n, (chunk + 1) * kChunk) - at)));
  });
}

// z of a tile. Sums of at most 16 numbers below 2^17 with fractions: float is enough.
inline void integers(ConstPlanes planes, int bits, std::int64_t at, int size, float* z) {
  for (int b = 0; b < bits; ++b) {
    const float weight = static_cast<float>(std::int32_t{1} << b);
    const float* const p = planes.positive + b * planes.elements + at;
    const float* const m = planes.negative + b * planes.elements + at;
    if (b == 0) {
#pragma omp simd
      for (int j = 0; j < size; ++j) z[j] = p[j] - m[j];
    } else {
#pragma omp simd
      for (int j = 0; j < size; ++j) z[j] += weight * (p[j] - m[j]);
    }
  }
}

inline float squares_of(const float* p, const float* m, int size) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int j = 0; j < size; ++j) sum += p[j] * p[j] + m[j] * m[j];
  return sum;
}

// Rounded to an integer type, so that no zero is negative.
inline std::int32_t rounded(float z) { return static_cast<std::int32_t>(std::nearbyint(z)); }

inline std::int32_t adjusted(float z, const Adjustment& a) {
  const std::int32_t code = rounded(z);
  const std::int32_t magnitude = std::min(code < 0 ? -code : code, a.most) >> a.dropped;
  return code < 0 ? -magnitude : magnitude;
}

}  // namespace

float step_of(const Precision& p) {
  if (p.bits == 0) return 0;
  return static_cast<float>(static_cast<double>(p.scale) / levels(p.bits));
}

float scale_of(std::span<const float> w) {
  float most = 0;
  for (const float x : w) most = std::max(most, std::fabs(x));
  return most > 0 ? most : 1;
}

void write_planes(std::span<const float> w, Precision p, int capacity, Planes out) {
  const double per_step = levels(p.bits) / static_cast<double>(p.scale);
  for (std::int64_t i = 0; i < out.elements; ++i) {
    const float x = w[static_cast<std::size_t>(i)];
    const double r = std::nearbyint(std::fabs(static_cast<double>(x)) * per_step);
    const auto code = static_cast<std::uint32_t>(std::min<double>(r, levels(p.bits)));
    for (int b = 0; b < capacity; ++b) {
      const float bit = code >> b & 1 ? 1.0f : 0.0f;
      out.positive[b * out.elements + i] = x > 0 ? bit : 0;
      out.negative[b * out.elements + i] = x > 0 ? 0 : bit;
    }
  }
}

void weigh(ConstPlanes planes, Precision precision, std::span<float> w, Partials& scratch,
           std::span<double> squares) {
  const int bits = precision.bits;
  const float step = step_of(precision), most = static_cast<float>(levels(bits));
  scratch.assign(static_cast<std::size_t>(chunks_of(planes.elements) * bits), 0.0);
  for_tiles(planes.elements, [&](std::int64_t chunk, std::int64_t at, int size) {
    float z[kTile];
    integers(planes, bits, at, size, z);
    float* const out = w.data() + at;
#pragma omp simd
    for (int j = 0; j < size; ++j)
      out[j] = step * static_cast<float>(rounded(std::clamp(z[j], -most, most)));
    for (int b = 0; b < bits; ++b) {
      const std::int64_t first = b * planes.elements + at;
      scratch[static_cast<std::size_t>(chunk * bits + b)] +=
          static_cast<double>(squares_of(planes.positive + first, planes.negative + first, size));
    }
  });
  for (int b = 0; b < bits; ++b) {
    squares[static_cast<std::size_t>(b)] = 0;
    for (std::int64_t chunk = 0; chunk < chunks_of(planes.elements); ++chunk)
      squares[static_cast<std::size_t>(b)] += scratch[static_cast<std::size_t>(chunk * bits + b)];
  }
}

double pull_back(ConstPlanes planes, Precision precision, std::span<const float> w,
                 std::span<const float> g, std::span<const double> pull, int capacity,
                 Planes gradients) {
  const float step = step_of(precision);
  return parallel_sum(planes.elements, kChunk, [&](std::int64_t begin, std::int64_t end) {
    double product = 0;
    for (std::int64_t at = begin; at < end; at += kTile) {
      const int size = static_cast<int>(std::min(kTile, end - at));
      const float *const grad = g.data() + at, *const weight = w.data() + at;
      for (int b = 0; b < precision.bits; ++b) {
        const std::int64_t first = b * planes.elements + at;
        const float *const p = planes.positive + first, *const m = planes.negative + first;
        float *const dp = gradients.positive + first, *const dm = gradients.negative + first;
        const float task = step * static_cast<float>(std::int32_t{1} << b);
        const float lasso = static_cast<float>(pull[static_cast<std::size_t>(b)]);
#pragma omp simd
        for (int j = 0; j < size; ++j) {
          dp[j] = task * grad[j] + lasso * p[j];
          dm[j] = lasso * m[j] - task * grad[j];
        }
      }
      for (int b = precision.bits; b < capacity; ++b) {
        std::fill_n(gradients.positive + b * planes.elements + at, size, 0.0f);
        std::fill_n(gradients.negative + b * planes.elements + at, size, 0.0f);
      }
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int j = 0; j < size; ++j) sum += weight[j] * grad[j];
      product += static_cast<double>(sum);
    }
    return product;
  });
}

void clip(Planes planes, int bits) {
  const auto n = static_cast<std::size_t>(bits * planes.elements);
  clip({planes.positive, n}, 0, 2);
  clip({planes.negative, n}, 0, 2);
}

void clip(std::span<float> values, float low, float high) {
  float* const x = values.data();
  parallel_for(static_cast<std::int64_t>(values.size()), 2 * kChunk,
               [&](std::int64_t begin, std::int64_t end) {
#pragma omp simd
                 for (std::int64_t i = begin; i < end; ++i) {
                   const float above = x[i] > low ? x[i] : low;
                   x[i] = above < high ? above : high;
                 }
               });
}

Adjustment adjust(int bits, double scale, int cap, std::uint32_t used) {
  Adjustment a{bits, scale, 0, levels(bits)};
  if (bits < cap && used > static_cast<std::uint32_t>(levels(bits))) {
    a.bits = bits + 1;
    a.scale *= static_cast<double>(levels(a.bits)) / levels(bits);
    a.most = levels(a.bits);
  }
  const int before = a.bits;
  while (a.bits > 1 && (used >> (a.bits - 1) & 1) == 0) --a.bits;
  while (a.bits > 1 && (used & 1) == 0) {
    used >>= 1;
    ++a.dropped;
    --a.bits;
    a.scale *= 2;
  }
  if (a.bits != before) a.scale *= static_cast<double>(levels(a.bits)) / levels(before);
  return a;
}

Snapshot look_at(ConstPlanes planes, Precision precision, int cap) {
  const int bits = precision.bits;
  Snapshot seen;
  seen.squares.assign(static_cast<std::size_t>(bits), 0);
  const std::int32_t most = bits < cap ? levels(bits + 1) : levels(bits);
  const std::int64_t chunks = chunks_of(planes.elements);
  std::vector<std::uint32_t> used(static_cast<std::size_t>(chunks));
  std::vector<std::int64_t> ones(static_cast<std::size_t>(chunks));
  Partials squares(static_cast<std::size_t>(chunks * bits));
  for_tiles(planes.elements, [&](std::int64_t chunk, std::int64_t at, int size) {
    float z[kTile];
    integers(planes, bits, at, size, z);
    std::uint32_t any = 0;
    int count = 0;
    for (int j = 0; j < size; ++j) {
      const auto code = static_cast<std::uint32_t>(std::min(std::abs(rounded(z[j])), most));
      any |= code;
      count += std::popcount(code);
    }
    used[static_cast<std::size_t>(chunk)] |= any;
    ones[static_cast<std::size_t>(chunk)] += count;
    for (int b = 0; b < bits; ++b) {
      const std::int64_t first = b * planes.elements + at;
      squares[static_cast<std::size_t>(chunk * bits + b)] +=
          static_cast<double>(squares_of(planes.positive + first, planes.negative + first, size));
    }
  });
  std::uint32_t all = 0;
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
    all |= used[static_cast<std::size_t>(chunk)];
    seen.nonzero_bits += ones[static_cast<std::size_t>(chunk)];
    for (int b = 0; b < bits; ++b)
      seen.squares[static_cast<std::size_t>(b)] +=
          squares[static_cast<std::size_t>(chunk * bits + b)];
  }
  seen.empty = all == 0;
  seen.adjustment = adjust(bits, static_cast<double>(precision.scale), cap, all);
  seen.precision = {seen.adjustment.bits, static_cast<float>(seen.adjustment.scale)};
  return seen;
}

void write_codes(ConstPlanes planes, int bits, const Adjustment& a, std::span<std::int32_t> codes) {
  for_tiles(planes.elements, [&](std::int64_t, std::int64_t at, int size) {
    float z[kTile];
    integers(planes, bits, at, size, z);
    for (int j = 0; j < size; ++j) codes[static_cast<std::size_t>(at + j)] = adjusted(z[j], a);
  });
}

void write_weights(ConstPlanes planes, int bits, const Snapshot& snapshot, std::span<float> w) {
  const float step = step_of(snapshot.precision);
  for_tiles(planes.elements, [&](std::int64_t, std::int64_t at, int size) {
    float z[kTile];
    integers(planes, bits, at, size, z);
    for (int j = 0; j < size; ++j)
      w[static_cast<std::size_t>(at + j)] =
          step * static_cast<float>(adjusted(z[j], snapshot.adjustment));
  });
}

void requantize(Planes planes, int bits, const Snapshot& snapshot, int capacity) {
  for_tiles(planes.elements, [&](std::int64_t, std::int64_t at, int size) {
    float z[kTile];
    integers(planes, bits, at, size, z);
    for (int j = 0; j < size; ++j) {
      const std::int32_t code = adjusted(z[j], snapshot.adjustment);
      for (int b = 0; b < capacity; ++b) {
        const std::int64_t i = b * planes.elements + at + j;
        planes.positive[i] = code > 0 && (code >> b & 1) != 0 ? 1.0f : 0.0f;
        planes.negative[i] = code < 0 && (-code >> b & 1) != 0 ? 1.0f : 0.0f;
      }
    }
  });
}

std::int32_t code_of(float x, int bits) {
  if (bits == 0) return 0;
  return rounded(std::clamp(x, -1.0f, 1.0f) * static_cast<float>(levels(bits)));
}

void quantize(std::span<const float> x, Precision p, std::span<float> w) {
  const float step = step_of(p);
  parallel_for(static_cast<std::int64_t>(x.size()), kChunk,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i)
                   w.data()[i] = step * static_cast<float>(code_of(x.data()[i], p.bits));
               });
}

double quantize_backward(Precision p, std::span<const float> w, std::span<const float> g,
                         std::span<float> dx) {
  const float factor = p.bits == 0 ? 0 : p.scale;
  return parallel_sum(static_cast<std::int64_t>(w.size()), kChunk,
                      [&](std::int64_t begin, std::int64_t end) {
                        double product = 0;
                        for (std::int64_t i = begin; i < end; ++i) {
                          dx.data()[i] = factor * g.data()[i];
                          product += static_cast<double>(w.data()[i] * g.data()[i]);
                        }
                        return product;
                      });
}

}  // namespace bitwright::bsq
