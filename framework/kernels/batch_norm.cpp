#include "kernels/batch_norm.h"

#include <algorithm>
#include <vector>

#include <bitwright/core/parallel.h>

namespace bitwright::kernels {
namespace {

// Rows are summed in fixed chunks, then chunk by chunk in order: neither the number of threads nor
// the length of a column changes the order of additions inside a chunk.
constexpr std::int64_t kChunkRows = 128;

// add(row, partial): adds a row's terms to a chunk's `sums` x channels partial sums.
template <class AddRow>
void sum_rows(std::int64_t rows, std::int64_t width, float* result, AddRow add) {
  const std::int64_t chunks = std::max<std::int64_t>(1, (rows + kChunkRows - 1) / kChunkRows);
  thread_local std::vector<float> partials;  // keeps its capacity: no allocation per step
  partials.assign(static_cast<std::size_t>(chunks * width), 0.f);
  float* const all = partials.data();
  const std::int64_t grain = std::max<std::int64_t>(1, 16384 / (kChunkRows * width));
  parallel_for(chunks, grain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t chunk = begin; chunk < end; ++chunk)
      for (std::int64_t r = chunk * kChunkRows; r < std::min(rows, (chunk + 1) * kChunkRows); ++r)
        add(r, all + chunk * width);
  });
  for (std::int64_t i = 0; i < width; ++i) {
    double sum = 0;
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk)
      sum += static_cast<double>(all[chunk * width + i]);
    result[i] = static_cast<float>(sum);
  }
}

template <class Body>
void for_each_row(std::int64_t rows, std::int64_t channels, Body body) {
  parallel_for(rows, std::max<std::int64_t>(1, 16384 / channels),
               [=](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t r = begin; r < end; ++r) body(r * channels);
               });
}

}  // namespace

void channel_moments(std::int64_t rows, std::int64_t channels, const float* x, float* mean,
                     float* variance) {
  const float n = static_cast<float>(rows);
  sum_rows(rows, channels, mean, [=](std::int64_t r, float* __restrict partial) {
    const float* __restrict row = x + r * channels;
    for (std::int64_t c = 0; c < channels; ++c) partial[c] += row[c];
  });
  for (std::int64_t c = 0; c < channels; ++c) mean[c] /= n;
  sum_rows(rows, channels, variance, [=](std::int64_t r, float* __restrict partial) {
    const float* __restrict row = x + r * channels;
    for (std::int64_t c = 0; c < channels; ++c)
      partial[c] += (row[c] - mean[c]) * (row[c] - mean[c]);
  });
  for (std::int64_t c = 0; c < channels; ++c) variance[c] /= n;
}

void normalize(std::int64_t rows, std::int64_t channels, const float* x, const float* mean,
               const float* inverse_sd, const float* scale, const float* shift, float* y) {
  for_each_row(rows, channels, [=](std::int64_t row) {
    const float* __restrict in = x + row;
    float* __restrict out = y + row;
    for (std::int64_t c = 0; c < channels; ++c) out[c] = (in[c] - mean[c]) * inverse_sd[c];
    if (scale != nullptr)
      for (std::int64_t c = 0; c < channels; ++c) out[c] *= scale[c];
    if (shift != nullptr)
      for (std::int64_t c = 0; c < channels; ++c) out[c] += shift[c];
  });
}

void normalize_gradient_sums(std::int64_t rows, std::int64_t channels, const float* x,
                             const float* dy, const float* mean, const float* inverse_sd,
                             float* sum_dy, float* sum_dy_xhat) {
  thread_local std::vector<float> both;
  both.resize(static_cast<std::size_t>(2 * channels));
  sum_rows(rows, 2 * channels, both.data(), [=](std::int64_t r, float* __restrict partial) {
    const float* __restrict in = x + r * channels;
    const float* __restrict gradient = dy + r * channels;
    float* __restrict second = partial + channels;
    for (std::int64_t c = 0; c < channels; ++c) partial[c] += gradient[c];
    for (std::int64_t c = 0; c < channels; ++c)
      second[c] += gradient[c] * (in[c] - mean[c]) * inverse_sd[c];
  });
  std::copy_n(both.data(), channels, sum_dy);
  std::copy_n(both.data() + channels, channels, sum_dy_xhat);
}

void normalize_backward(std::int64_t rows, std::int64_t channels, const float* x, const float* dy,
                        const float* mean, const float* inverse_sd, const float* scale,
                        const float* sum_dy, const float* sum_dy_xhat, float* dx) {
  const float per_row = 1.f / static_cast<float>(rows);
  for_each_row(rows, channels, [=](std::int64_t row) {
    const float* __restrict in = x + row;
    const float* __restrict gradient = dy + row;
    float* __restrict out = dx + row;
    for (std::int64_t c = 0; c < channels; ++c) {
      const float xhat = (in[c] - mean[c]) * inverse_sd[c];
      out[c] = inverse_sd[c] * (gradient[c] - per_row * (sum_dy[c] + xhat * sum_dy_xhat[c]));
    }
    if (scale != nullptr)
      for (std::int64_t c = 0; c < channels; ++c) out[c] *= scale[c];
  });
}

}  // namespace bitwright::kernels
