#include "kernels/batch_norm.h"

#include <algorithm>
#include <array>
#include <vector>

#include <bitwright/core/parallel.h>

namespace bitwright::kernels {
namespace {

// Few channels make short rows that waste vectors. Several rows are therefore handled as one wide
// row, a multiple of 16 floats; sums are folded back to the channels at the end, and per-channel
// factors are repeated along it.
struct Wide {
  std::int64_t rows, width, tail;  ///< wide rows, their floats, and floats left over at the end
  Wide(std::int64_t all_rows, std::int64_t channels) {
    std::int64_t group = 1;
    if (channels < 64)
      while (group * channels % 16 != 0) ++group;
    rows = all_rows / group;
    width = group * channels;
    tail = all_rows * channels - rows * width;
  }
};

/// One per-channel factor, repeated along a wide row; null stays null.
class Repeated {
 public:
  Repeated(const float* values, std::int64_t channels, std::int64_t width) {
    if (values == nullptr || width == channels) {
      data_ = values;
      return;
    }
    for (std::int64_t i = 0; i < width; ++i)
      small_[static_cast<std::size_t>(i)] = values[i % channels];
    data_ = small_.data();
  }
  operator const float*() const { return data_; }  // NOLINT: stands for the pointer

 private:
  std::array<float, 16 * 64> small_;  // widest: 63 channels, 16 rows
  const float* data_;
};

// Wide rows are summed in fixed chunks, then chunk by chunk in order: the number of threads does
// not change the order of additions.
constexpr std::int64_t kChunkRows = 128;

// Adds up `sums` quantities per channel. add(offset, count, partial): adds the terms of `count`
// elements from `offset` on; quantity q of element i goes to partial[q * width + i].
template <class Add>
void sum_channels(std::int64_t rows, std::int64_t channels, int sums, float* const* results,
                  Add add) {
  const Wide wide(rows, channels);
  const std::int64_t chunks = std::max<std::int64_t>(1, (wide.rows + kChunkRows - 1) / kChunkRows);
  const std::int64_t slot = sums * wide.width;
  thread_local std::vector<float> partials;  // keeps its capacity: no allocation per step
  partials.assign(static_cast<std::size_t>((chunks + 1) * slot), 0.f);
  float* const all = partials.data();
  const std::int64_t grain = std::max<std::int64_t>(1, 16384 / (kChunkRows * wide.width));
  parallel_for(chunks, grain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t chunk = begin; chunk < end; ++chunk)
      for (std::int64_t r = chunk * kChunkRows; r < std::min(wide.rows, (chunk + 1) * kChunkRows);
           ++r)
        add(r * wide.width, wide.width, all + chunk * slot);
  });
  if (wide.tail > 0) add(wide.rows * wide.width, wide.tail, all + chunks * slot);
  for (int q = 0; q < sums; ++q)
    for (std::int64_t c = 0; c < channels; ++c) {
      double sum = 0;
      for (std::int64_t chunk = 0; chunk <= chunks; ++chunk)
        for (std::int64_t i = c; i < wide.width; i += channels)
          sum += static_cast<double>(all[chunk * slot + q * wide.width + i]);
      results[q][c] = static_cast<float>(sum);
    }
}

// body(offset, count): elements from `offset` on, starting at channel 0.
template <class Body>
void for_each_wide_row(std::int64_t rows, std::int64_t channels, Body body) {
  const Wide wide(rows, channels);
  parallel_for(wide.rows, std::max<std::int64_t>(1, 16384 / wide.width),
               [=, &body](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t r = begin; r < end; ++r) body(r * wide.width, wide.width);
               });
  if (wide.tail > 0) body(wide.rows * wide.width, wide.tail);
}

}  // namespace

void channel_moments(std::int64_t rows, std::int64_t channels, const float* x, float* mean,
                     float* variance) {
  const float n = static_cast<float>(rows);
  sum_channels(rows, channels, 1, &mean,
               [=](std::int64_t at, std::int64_t count, float* __restrict partial) {
                 const float* __restrict in = x + at;
                 for (std::int64_t i = 0; i < count; ++i) partial[i] += in[i];
               });
  for (std::int64_t c = 0; c < channels; ++c) mean[c] /= n;
  const Repeated m(mean, channels, Wide(rows, channels).width);
  sum_channels(rows, channels, 1, &variance,
               [x, &m](std::int64_t at, std::int64_t count, float* __restrict partial) {
                 const float* __restrict in = x + at;
                 const float* __restrict mu = m;
                 for (std::int64_t i = 0; i < count; ++i)
                   partial[i] += (in[i] - mu[i]) * (in[i] - mu[i]);
               });
  for (std::int64_t c = 0; c < channels; ++c) variance[c] /= n;
}

void normalize(std::int64_t rows, std::int64_t channels, const float* x, const float* mean,
               const float* inverse_sd, const float* scale, const float* shift, float* y) {
  const std::int64_t width = Wide(rows, channels).width;
  const Repeated m(mean, channels, width), s(inverse_sd, channels, width),
      gamma(scale, channels, width), beta(shift, channels, width);
  for_each_wide_row(rows, channels, [&](std::int64_t at, std::int64_t count) {
    const float* __restrict in = x + at, * __restrict mu = m, * __restrict sd = s, * __restrict g = gamma, * __restrict b = beta;
    float* __restrict out = y + at;
    for (std::int64_t i = 0; i < count; ++i) out[i] = (in[i] - mu[i]) * sd[i];
    if (g != nullptr)
      for (std::int64_t i = 0; i < count; ++i) out[i] *= g[i];
    if (b != nullptr)
      for (std::int64_t i = 0; i < count; ++i) out[i] += b[i];
  });
}

void normalize_gradient_sums(std::int64_t rows, std::int64_t channels, const float* x,
                             const float* dy, const float* mean, const float* inverse_sd,
                             float* sum_dy, float* sum_dy_xhat) {
  const std::int64_t width = Wide(rows, channels).width;
  const Repeated m(mean, channels, width), s(inverse_sd, channels, width);
  float* const results[] = {sum_dy, sum_dy_xhat};
  sum_channels(
      rows, channels, 2, results,
      [=, &m, &s](std::int64_t at, std::int64_t count, float* __restrict partial) {
        const float* __restrict in = x + at, * __restrict gradient = dy + at, * __restrict mu = m, * __restrict sd = s;
        float* __restrict second = partial + width;
        for (std::int64_t i = 0; i < count; ++i) {
          partial[i] += gradient[i];
          second[i] += gradient[i] * (in[i] - mu[i]) * sd[i];
        }
      });
}

void normalize_backward(std::int64_t rows, std::int64_t channels, const float* x, const float* dy,
                        const float* mean, const float* inverse_sd, const float* scale,
                        const float* sum_dy, const float* sum_dy_xhat, float* dx) {
  const std::int64_t width = Wide(rows, channels).width;
  const float per_row = 1.f / static_cast<float>(rows);
  const Repeated m(mean, channels, width), s(inverse_sd, channels, width),
      gamma(scale, channels, width), first(sum_dy, channels, width),
      second(sum_dy_xhat, channels, width);
  for_each_wide_row(rows, channels, [&](std::int64_t at, std::int64_t count) {
    const float* __restrict in = x + at, * __restrict gradient = dy + at, * __restrict mu = m, * __restrict sd = s, * __restrict g = gamma, * __restrict sum1 = first, * __restrict sum2 = second;
    float* __restrict out = dx + at;
    for (std::int64_t i = 0; i < count; ++i) {
      const float xhat = (in[i] - mu[i]) * sd[i];
      out[i] = sd[i] * (gradient[i] - per_row * (sum1[i] + xhat * sum2[i]));
    }
    if (g != nullptr)
      for (std::int64_t i = 0; i < count; ++i) out[i] *= g[i];
  });
}

}  // namespace bitwright::kernels
