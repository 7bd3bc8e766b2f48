#include "kernels/soft_bins.h"

#include <algorithm>
#include <cmath>

#include <bitwright/core/parallel.h>
#include <bitwright/core/vector_math.h>

namespace bitwright::kernels {
namespace {

constexpr std::int64_t kChunk = 2048, kMostChunks = 64;

std::int64_t chunk_of(std::int64_t n) {
  return std::max(kChunk, (n + kMostChunks - 1) / kMostChunks);
}

// Levels on each side of the nearest one: T ((r + 1/2)^2 - 1/4) >= 20 leaves out weights below
// e^-20 of the largest.
std::int64_t reach_of(const SoftBinShape& shape) {
  const double r = std::ceil(std::sqrt(20.0 / static_cast<double>(shape.temperature) + 0.25) - 0.5);
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(std::min(r, 1e6)), 1, shape.levels - 1);
}

// A few values at a time, so that their exponentials are computed side by side.
constexpr std::int64_t kTogether = 16;

struct Block {
  std::int64_t nearest[kTogether];
  float distance[kTogether];  // x - nearest, in [-1/2, 1/2]
  float weight[kTogether];    // unnormalised, of one offset
};

void place(const SoftBinShape& shape, std::int64_t count, const float* x, Block& b) {
  const auto last = static_cast<float>(shape.levels - 1);
  for (std::int64_t i = 0; i < count; ++i) {
    const float near = std::min(std::max(std::nearbyint(x[i]), 0.0f), last);
    b.nearest[i] = static_cast<std::int64_t>(near);
    b.distance[i] = x[i] - near;
  }
}

// exp(-T (x - k)^2) over that of the nearest level, k = nearest + offset; 0 where there is no k.
void weigh(const SoftBinShape& shape, std::int64_t count, std::int64_t offset, Block& b) {
  const auto j = static_cast<float>(offset);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t k = b.nearest[i] + offset;
    const float w = vector_exp(-shape.temperature * (j * j - 2 * j * b.distance[i]));
    b.weight[i] = k >= 0 && k < shape.levels ? w : 0.0f;
  }
}

void add_block(const SoftBinShape& shape, std::int64_t reach, std::int64_t count, const float* x,
               double* sums) {
  Block b;
  place(shape, count, x, b);
  float total[kTogether] = {};
  for (std::int64_t j = -reach; j <= reach; ++j) {
    weigh(shape, count, j, b);
    for (std::int64_t i = 0; i < count; ++i) total[i] += b.weight[i];
  }
  for (std::int64_t j = -reach; j <= reach; ++j) {
    weigh(shape, count, j, b);
    for (std::int64_t i = 0; i < count; ++i)
      if (b.weight[i] > 0) sums[b.nearest[i] + j] += static_cast<double>(b.weight[i] / total[i]);
  }
}

void covariance_block(const SoftBinShape& shape, std::int64_t reach, std::int64_t count,
                      const float* x, const float* v, float* g) {
  Block b;
  place(shape, count, x, b);
  // Sums of w, w j, w v and w j v with j = k - nearest. Levels that do not exist have weight 0; the
  // nearest one's v stands in for theirs.
  float w[kTogether] = {}, wj[kTogether] = {}, wv[kTogether] = {}, wjv[kTogether] = {};
  for (std::int64_t offset = -reach; offset <= reach; ++offset) {
    weigh(shape, count, offset, b);
    const auto j = static_cast<float>(offset);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t k = b.nearest[i] + offset;
      // Relative to the nearest level's, so that equal values of v cancel exactly.
      const float value = v[k >= 0 && k < shape.levels ? k : b.nearest[i]] - v[b.nearest[i]];
      w[i] += b.weight[i];
      wj[i] += b.weight[i] * j;
      wv[i] += b.weight[i] * value;
      wjv[i] += b.weight[i] * j * value;
    }
  }
  for (std::int64_t i = 0; i < count; ++i) g[i] = wjv[i] / w[i] - (wj[i] / w[i]) * (wv[i] / w[i]);
}

}  // namespace

std::int64_t soft_bin_chunks(std::int64_t n) { return (n + chunk_of(n) - 1) / chunk_of(n); }

void soft_bin_sums(const SoftBinShape& shape, std::int64_t n, const float* x, double* partial,
                   double* sums) {
  const std::int64_t chunks = soft_bin_chunks(n), chunk = chunk_of(n), reach = reach_of(shape);
  parallel_for(chunks, 1, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) {
      double* const own = partial + c * shape.levels;
      std::fill_n(own, shape.levels, 0.0);
      const std::int64_t stop = std::min(n, (c + 1) * chunk);
      for (std::int64_t i = c * chunk; i < stop; i += kTogether)
        add_block(shape, reach, std::min(kTogether, stop - i), x + i, own);
    }
  });
  std::fill_n(sums, shape.levels, 0.0);
  for (std::int64_t c = 0; c < chunks; ++c)
    for (std::int64_t k = 0; k < shape.levels; ++k) sums[k] += partial[c * shape.levels + k];
}

void soft_bin_covariance(const SoftBinShape& shape, std::int64_t n, const float* x, const float* v,
                         float* g) {
  const std::int64_t reach = reach_of(shape);
  // Ranges are cut at multiples of a block, so that the rest of a range, whose arithmetic the
  // compiler may order otherwise, is the same whatever the number of threads.
  const std::int64_t blocks = (n + kTogether - 1) / kTogether;
  parallel_for(blocks, 64, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) {
      const std::int64_t i = block * kTogether;
      covariance_block(shape, reach, std::min(kTogether, n - i), x + i, v, g + i);
    }
  });
}

}  // namespace bitwright::kernels
