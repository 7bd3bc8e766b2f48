#include "data/color.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace bitwright {
namespace {

std::uint8_t clipped(double value) {
  return static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0));
}

// Between `from` (factor 0) and `to` (factor 1), or beyond; the fraction is cut off.
std::uint8_t blend(int from, int to, double factor) { return clipped(from + factor * (to - from)); }

// Luma of ITU-R BT.601 in 16-bit fractions, rounded.
int grey(const std::uint8_t* p) {
  return (19595 * p[0] + 38470 * p[1] + 7471 * p[2] + 32768) >> 16;
}

// Colour as hue in sixths of a turn, [0, 6), chroma and largest channel.
struct Hue {
  double hue, chroma, value;
};

Hue hue_of(const std::uint8_t* p) {
  const double r = p[0], g = p[1], b = p[2];
  const double value = std::max({r, g, b}), chroma = value - std::min({r, g, b});
  if (chroma == 0) return {0, 0, value};
  if (value == r) return {(g - b) / chroma + (g < b ? 6 : 0), chroma, value};
  if (value == g) return {(b - r) / chroma + 2, chroma, value};
  return {(r - g) / chroma + 4, chroma, value};
}

}  // namespace

void change_brightness(PixelImage& image, double factor) {
  const std::int64_t size = image.height * image.row();
  for (std::int64_t i = 0; i < size; ++i) image.pixels[i] = blend(0, image.pixels[i], factor);
}

void change_contrast(PixelImage& image, double factor) {
  const std::int64_t size = image.height * image.row();
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < size; i += image.channels)
    sum += image.channels == 3 ? grey(image.pixels + i) : image.pixels[i];
  const auto mean = static_cast<int>(
      static_cast<double>(sum) / static_cast<double>(image.height * image.width) + 0.5);
  for (std::int64_t i = 0; i < size; ++i) image.pixels[i] = blend(mean, image.pixels[i], factor);
}

void change_saturation(PixelImage& image, double factor) {
  const std::int64_t size = image.height * image.row();
  for (std::int64_t i = 0; i < size; i += 3) {
    const int level = grey(image.pixels + i);
    for (std::int64_t c = i; c < i + 3; ++c)
      image.pixels[c] = blend(level, image.pixels[c], factor);
  }
}

void turn_hue(PixelImage& image, double turns) {
  const std::int64_t size = image.height * image.row();
  for (std::int64_t i = 0; i < size; i += 3) {
    const Hue h = hue_of(image.pixels + i);
    if (h.chroma == 0) continue;
    const double hue = h.hue + 6 * turns + 6;  // at least 0
    // A channel falls from the largest value by the chroma as the hue goes away from its own.
    const std::array<double, 3> own{0, 2, 4};
    for (std::size_t c = 0; c < 3; ++c) {
      double away = std::fmod(hue - own[c] + 6, 6.0);
      away = std::min(away, 6 - away);
      const double share = std::clamp(2 - away, 0.0, 1.0);
      image.pixels[i + static_cast<std::int64_t>(c)] =
          clipped(h.value - h.chroma * (1 - share) + 0.5);
    }
  }
}

}  // namespace bitwright
