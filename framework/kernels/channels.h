#pragma once
// Loops over [rows, channels] matrices that add up or scale per channel: channels_last images and
// [N, C] activations are both of that form.

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include <bitwright/core/parallel.h>

namespace bitwright::kernels {

// Few channels make short rows that waste vectors. Several rows are therefore handled as one wide
// row, a multiple of 16 elements; sums are folded back to the channels at the end, and per-channel
// factors are repeated along it.
struct WideRows {
  static constexpr std::int64_t kShortest = 256;  ///< elements of a row of few channels
  std::int64_t rows, width, tail;  ///< wide rows, their elements, and elements left over at the end
  WideRows(std::int64_t all_rows, std::int64_t channels) {
    std::int64_t group = 1;
    if (channels < 64) {
      while (group * channels % 16 != 0) ++group;
      group *= (kShortest + group * channels - 1) / (group * channels);
    }
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
  std::array<float, 16 * 64> small_;  // widest: 63 channels, 16 times
  const float* data_;
};

/// Wide rows are summed in fixed chunks, then chunk by chunk in order: the number of threads does
/// not change the order of additions.
inline constexpr std::int64_t kChunkRows = 128;

/// Adds up `sums` quantities per channel (chunks in float, then double). add(offset, count,
/// partial): adds the terms of `count` elements from `offset` on; quantity q of element i goes to
/// partial[q * width + i].
template <class Add>
void sum_channels(std::int64_t rows, std::int64_t channels, int sums, float* const* results,
                  const Add& add) {
  const WideRows wide(rows, channels);
  const std::int64_t chunks = std::max<std::int64_t>(1, (wide.rows + kChunkRows - 1) / kChunkRows);
  const std::int64_t slot = sums * wide.width;
  thread_local std::vector<float> partials;  // keeps its capacity: no allocation per step
  partials.assign(static_cast<std::size_t>((chunks + 1) * slot), 0.f);
  float* const all = partials.data();
  const std::int64_t grain = std::max<std::int64_t>(1, 16384 / (kChunkRows * wide.width));
  parallel_for(chunks, grain, [=, &add](std::int64_t begin, std::int64_t end) {
    for (std::int64_t chunk = begin; chunk < end; ++chunk)
      for (std::int64_t r = chunk * kChunkRows; r < std::min(wide.rows, (chunk + 1) * kChunkRows);
           ++r)
        add(r * wide.width, wide.width, all + chunk * slot);
  });
  if (wide.tail > 0) add(wide.rows * wide.width, wide.tail, all + chunks * slot);
  thread_local std::vector<double> totals;
  totals.assign(static_cast<std::size_t>(slot), 0.0);
  for (std::int64_t chunk = 0; chunk <= chunks; ++chunk)
    for (std::int64_t i = 0; i < slot; ++i)
      totals[static_cast<std::size_t>(i)] += static_cast<double>(all[chunk * slot + i]);
  for (int q = 0; q < sums; ++q)
    for (std::int64_t c = 0; c < channels; ++c) {
      double sum = 0;
      for (std::int64_t i = c; i < wide.width; i += channels)
        sum += totals[static_cast<std::size_t>(q * wide.width + i)];
      results[q][c] = static_cast<float>(sum);
    }
}

/// body(offset, count): elements from `offset` on, starting at channel 0.
template <class Body>
void for_each_wide_row(std::int64_t rows, std::int64_t channels, const Body& body) {
  const WideRows wide(rows, channels);
  parallel_for(wide.rows, std::max<std::int64_t>(1, 16384 / wide.width),
               [=, &body](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t r = begin; r < end; ++r) body(r * wide.width, wide.width);
               });
  if (wide.tail > 0) body(wide.rows * wide.width, wide.tail);
}

/// sums[c] = sum over rows of x[rows, channels].
template <class T>
void column_sums(std::int64_t rows, std::int64_t channels, const T* x, float* sums) {
  sum_channels(rows, channels, 1, &sums,
               [=](std::int64_t at, std::int64_t count, float* __restrict partial) {
                 const T* __restrict in = x + at;
                 for (std::int64_t i = 0; i < count; ++i) partial[i] += float(in[i]);
               });
}

}  // namespace bitwright::kernels
