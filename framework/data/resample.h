#pragma once
// Scaling of 8-bit images.

#include <cstdint>
#include <vector>

namespace bitwright {

/// A part of an image, in pixels.
struct Window {
  std::int64_t top = 0, left = 0, height = 0, width = 0;
};

/// Scales a window of an image [height][width][channels] to another size with the triangle filter:
/// bilinear interpolation when it grows, weighted means of what falls together when it shrinks.
/// First along rows, then along columns, each rounded to 8 bits, in whole numbers: the bits are
/// Pillow's (Image.resize with BILINEAR). Keeps its memory from one image to the next.
class Resampler {
 public:
  /// `row` is the distance of two rows of `from` in bytes; `to` is height * width * channels.
  void scale(const std::uint8_t* from, std::int64_t row, std::int64_t channels,
             const Window& window, std::uint8_t* to, std::int64_t height, std::int64_t width);

 private:
  /// For each place of a line of the result: the first place of the source that counts, how many
  /// do, and their weights in units of 2^-22.
  struct Filter {
    std::int64_t taps = 0;  ///< places reserved for the weights of one result
    std::vector<std::int64_t> first, count;
    std::vector<std::int32_t> weights;
    void make(std::int64_t from, std::int64_t to);
  };
  Filter along_rows_, along_columns_;
  std::vector<std::uint8_t> between_;
};

}  // namespace bitwright
