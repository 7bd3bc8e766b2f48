#include "data/resample.h"

#include <algorithm>
#include <cmath>

namespace bitwright {

namespace {

constexpr int kBits = 22;  // of a weight's fraction: 255 times their sum of 1 stays within 31 bits

std::uint8_t rounded(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp((sum + (1 << (kBits - 1))) >> kBits, 0, 255));
}

}  // namespace

void Resampler::Filter::make(std::int64_t from, std::int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double reach = std::max(scale, 1.0);  // half the width of the triangle, in source pixels
  taps = static_cast<std::int64_t>(std::ceil(reach)) * 2 + 1;
  first.resize(static_cast<std::size_t>(to));
  count.resize(static_cast<std::size_t>(to));
  weights.assign(static_cast<std::size_t>(to * taps), 0);
  std::vector<double> exact(static_cast<std::size_t>(taps));
  for (std::int64_t i = 0; i < to; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const std::int64_t begin =
        std::max<std::int64_t>(0, static_cast<std::int64_t>(centre - reach + 0.5));
    const std::int64_t end = std::min(from, static_cast<std::int64_t>(centre + reach + 0.5));
    double sum = 0;
    for (std::int64_t k = begin; k < end; ++k) {
      const double distance = std::abs((static_cast<double>(k) - centre + 0.5) / reach);
      sum += exact[static_cast<std::size_t>(k - begin)] = std::max(0.0, 1 - distance);
    }
    first[static_cast<std::size_t>(i)] = begin;
    count[static_cast<std::size_t>(i)] = end - begin;
    for (std::int64_t k = 0; k < end - begin; ++k)
      weights[static_cast<std::size_t>(i * taps + k)] =
          static_cast<std::int32_t>(0.5 + exact[static_cast<std::size_t>(k)] / sum * (1 << kBits));
  }
}

void Resampler::scale(const std::uint8_t* from, std::int64_t row, std::int64_t channels,
                      const Window& window, std::uint8_t* to, std::int64_t height,
                      std::int64_t width) {
  along_rows_.make(window.width, width);
  along_columns_.make(window.height, height);
  const std::int64_t line = width * channels;
  between_.resize(static_cast<std::size_t>(window.height * line));
  for (std::int64_t y = 0; y < window.height; ++y) {
    const std::uint8_t* const source = from + (window.top + y) * row + window.left * channels;
    for (std::int64_t x = 0; x < width; ++x) {
      const auto at = static_cast<std::size_t>(x);
      const std::int32_t* const weights = along_rows_.weights.data() + x * along_rows_.taps;
      const std::uint8_t* const first = source + along_rows_.first[at] * channels;
      for (std::int64_t c = 0; c < channels; ++c) {
        std::int32_t sum = 0;
        for (std::int64_t k = 0; k < along_rows_.count[at]; ++k)
          sum += weights[k] * first[k * channels + c];
        between_[static_cast<std::size_t>(y * line + x * channels + c)] = rounded(sum);
      }
    }
  }
  for (std::int64_t y = 0; y < height; ++y) {
    const auto at = static_cast<std::size_t>(y);
    const std::int32_t* const weights = along_columns_.weights.data() + y * along_columns_.taps;
    const std::uint8_t* const first = between_.data() + along_columns_.first[at] * line;
    for (std::int64_t i = 0; i < line; ++i) {
      std::int32_t sum = 0;
      for (std::int64_t k = 0; k < along_columns_.count[at]; ++k)
        sum += weights[k] * first[k * line + i];
      to[y * line + i] = rounded(sum);
    }
  }
}

}  // namespace bitwright
