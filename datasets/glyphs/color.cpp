#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "canvas.h"

namespace bitwright::glyphs {

namespace {

constexpr int kPatterns = 4;  // of the paper: plain, stripes, squares, rings
constexpr double kPi = std::numbers::pi;

using Color = std::array<float, 3>;  // red, green, blue in 0..1

// Hue in turns; saturation and value in 0..1.
Color color_of(double hue, double saturation, double value) {
  Color color;
  for (std::size_t c = 0; c < 3; ++c) {
    const double away = std::abs(std::remainder(hue - static_cast<double>(c) / 3, 1.0)) * 6;
    const double share = std::clamp(2 - away, 0.0, 1.0);
    color[c] = static_cast<float>(value * (1 - saturation * (1 - share)));
  }
  return color;
}

// What a class is beside its digit; -1: left to chance.
struct Kind {
  int pattern = -1;
  int hue = -1, hues = 1;
};

Kind kind_of(int label, int classes) {
  const int variants = (classes + digits - 1) / digits, variant = label / digits;
  Kind kind;
  if (variants > 1) kind.pattern = variant % kPatterns;
  if (variants > kPatterns) {
    kind.hue = variant / kPatterns;
    kind.hues = (variants + kPatterns - 1) / kPatterns;
  }
  return kind;
}

// A pattern on the paper: its height, in -1..1, at each pixel.
class Pattern {
 public:
  Pattern(Draw& draw, int kind, double scale) : kind_(kind) {
    const double angle = draw.uniform(0, kPi), period = scale * draw.uniform(4, 6.5);
    across_ = 2 * kPi * std::cos(angle) / period;
    down_ = 2 * kPi * std::sin(angle) / period;
    phase_ = draw.uniform(0, 2 * kPi);
    other_phase_ = draw.uniform(0, 2 * kPi);
    x_ = scale * draw.uniform(0, 28);
    y_ = scale * draw.uniform(0, 28);
  }

  double at(double x, double y) const {
    switch (kind_) {
      case 1:
        return std::sin(across_ * x + down_ * y + phase_);
      case 2:
        return std::sin(across_ * x + down_ * y + phase_) *
               std::sin(across_ * y - down_ * x + other_phase_);
      case 3:
        return std::sin(std::hypot(across_, down_) * std::hypot(x - x_, y - y_) + phase_);
      default:
        return 0;
    }
  }

 private:
  int kind_;
  double across_, down_, phase_, other_phase_, x_, y_;
};

// The paper: from one colour to another along a direction, with the pattern in its brightness.
void write_paper(std::vector<Color>& image, std::int64_t side, Draw& draw, int pattern_kind,
                 bool dark) {
  const auto shade = [&] {
    const double value = draw.uniform(0.1, 0.4);
    return color_of(draw.uniform(0, 1), draw.uniform(0, 0.6), dark ? value : 1 - value);
  };
  const Color from = shade(), to = shade();
  const double angle = draw.uniform(0, 2 * kPi), strength = draw.uniform(0.06, 0.16);
  const double scale = static_cast<double>(side) / 28, middle = static_cast<double>(side) / 2;
  const Pattern pattern(draw, pattern_kind, scale);
  for (std::int64_t y = 0; y < side; ++y)
    for (std::int64_t x = 0; x < side; ++x) {
      const double u = static_cast<double>(x) - middle, v = static_cast<double>(y) - middle;
      const double along = 0.5 + (std::cos(angle) * u + std::sin(angle) * v) / (3 * middle);
      const double wave = strength * pattern.at(static_cast<double>(x), static_cast<double>(y));
      for (std::size_t c = 0; c < 3; ++c)
        image[static_cast<std::size_t>(y * side + x)][c] =
            static_cast<float>(from[c] + along * (to[c] - from[c]) + wave);
    }
}

void add_ink(std::vector<Color>& image, const Canvas& canvas, const Color& color) {
  for (std::size_t i = 0; i < image.size(); ++i)
    for (std::size_t c = 0; c < 3; ++c) image[i][c] += canvas.ink[i] * (color[c] - image[i][c]);
}

Ranges ranges_for(std::int64_t side) {
  const double scale = static_cast<double>(side) / 28;
  Ranges r;
  for (double* length : {&r.height_low, &r.height_high, &r.shift, &r.pen_low, &r.pen_high,
                         &r.clutter_length_low, &r.clutter_length_high})
    *length *= scale;
  r.pen_low *= 1.4, r.pen_high *= 1.2;
  r.ink_low = 0.75;
  return r;
}

}  // namespace

void render_color(std::uint64_t seed, std::string_view part, std::int64_t index, int label,
                  const ColorStyle& style, std::uint8_t* pixels) {
  const auto number = static_cast<std::uint64_t>(index);
  Draw draw(Rng(seed, "glyphs color", hash_name(part), number));
  const Ranges ranges = ranges_for(style.side);
  Kind kind = kind_of(label, style.classes);
  if (kind.pattern < 0) kind.pattern = draw.below(kPatterns);
  if (kind.hue < 0) kind.hue = draw.below(kind.hues);
  const bool dark = draw.below(2) == 0;  // the paper; the ink is then bright
  const auto ink = [&](double hue) {
    const double value = draw.uniform(0.7, 1);
    return color_of(hue, draw.uniform(0.5, 0.9), dark ? value : value - 0.55);
  };

  Canvas clutter(style.side), digit(style.side);
  std::vector<Color> image(digit.ink.size());
  write_paper(image, style.side, draw, kind.pattern, dark);
  write_clutter(clutter, draw, ranges);
  write_digit(digit, draw, label % digits, ranges);
  const double softness = draw.uniform(0, ranges.blur_high);
  blur(clutter, softness);
  blur(digit, softness);
  add_ink(image, clutter, ink(draw.uniform(0, 1)));
  add_ink(image, digit, ink((kind.hue + draw.uniform(0.1, 0.9)) / kind.hues));

  const auto sd = static_cast<float>(draw.uniform(0.02, 0.08));
  const Rng grain(seed, "glyphs color noise", hash_name(part), number);
  for (std::size_t i = 0; i < image.size() * 3; ++i) {
    const float level =
        image[i / 3][i % 3] + sd * noise(grain.bits(i / 2), static_cast<int>(i % 2));
    pixels[i] = static_cast<std::uint8_t>(std::clamp(level, 0.0f, 1.0f) * 255 + 0.5f);
  }
}

}  // namespace bitwright::glyphs
