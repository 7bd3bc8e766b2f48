#include "canvas.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace bitwright::glyphs {

namespace {

// Where a point of the unit square lies on the canvas: a smooth warp, then an affine map.
class Placement {
 public:
  Placement(Draw& draw, const Ranges& r, std::int64_t side) {
    const double height = draw.uniform(r.height_low, r.height_high);
    const double width = height * draw.uniform(r.aspect_low, r.aspect_high);
    const double angle = draw.uniform(-r.rotation, r.rotation) * std::numbers::pi / 180;
    const double shear = draw.uniform(-r.shear, r.shear);
    const double cosine = std::cos(angle), sine = std::sin(angle);
    xx_ = cosine * width, xy_ = height * (shear * cosine - sine);
    yx_ = sine * width, yy_ = height * (shear * sine + cosine);
    x0_ = (side - 1) / 2.0 + draw.uniform(-r.shift, r.shift);
    y0_ = (side - 1) / 2.0 + draw.uniform(-r.shift, r.shift);
    for (Wave& wave : waves_)
      wave = {draw.uniform(-r.warp, r.warp), draw.uniform(2, 6), draw.uniform(2, 6),
              draw.uniform(0, 2 * std::numbers::pi)};
  }

  Point operator()(Point p) const {
    const double u = p.x - 0.5, v = p.y - 0.5;
    const double a = u + waves_[0](u, v) + waves_[1](v, u);
    const double b = v + waves_[2](u, v) + waves_[3](v, u);
    return {x0_ + xx_ * a + xy_ * b, y0_ + yx_ * a + yy_ * b};
  }

 private:
  struct Wave {
    double height = 0, along = 0, across = 0, phase = 0;
    double operator()(double u, double v) const {
      return height * std::sin(along * u + across * v + phase);
    }
  };
  double xx_, xy_, yx_, yy_, x0_, y0_;
  std::array<Wave, 4> waves_;
};

double distance(double x, double y, Point a, Point b) {
  const double dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
  const double t =
      length > 0 ? std::clamp(((x - a.x) * dx + (y - a.y) * dy) / length, 0.0, 1.0) : 0.0;
  return std::hypot(x - a.x - t * dx, y - a.y - t * dy);
}

// Covers the canvas with ink along a straight piece, with an edge one pixel wide.
void mark(Canvas& canvas, Point a, Point b, double pen, double ink) {
  const double reach = pen + 0.5;
  const auto first = [&](double low) {
    return std::max(0, static_cast<int>(std::ceil(low - reach)));
  };
  const auto last = [&](double high) {
    return std::min(static_cast<int>(canvas.side) - 1, static_cast<int>(std::floor(high + reach)));
  };
  for (int y = first(std::min(a.y, b.y)); y <= last(std::max(a.y, b.y)); ++y)
    for (int x = first(std::min(a.x, b.x)); x <= last(std::max(a.x, b.x)); ++x) {
      const double cover = std::clamp(reach - distance(x, y, a, b), 0.0, 1.0);
      float& pixel = canvas.ink[static_cast<std::size_t>(y * canvas.side + x)];
      pixel = std::max(pixel, static_cast<float>(cover * ink));
    }
}

}  // namespace

void write_digit(Canvas& canvas, Draw& draw, int digit, const Ranges& r) {
  const auto& styles = styles_of(digit);
  const Pen& style = styles[static_cast<std::size_t>(draw.below(static_cast<int>(styles.size())))];
  const Placement place(draw, r, canvas.side);
  const double pen = draw.uniform(r.pen_low, r.pen_high);
  const double ink = draw.uniform(r.ink_low, r.ink_high);
  for (const Stroke& stroke : style.strokes()) {
    Point from = place(stroke[0]);
    for (std::size_t i = 1; i < stroke.size(); ++i) {
      const Point to = place(stroke[i]);
      mark(canvas, from, to, pen, ink);
      from = to;
    }
  }
}

void write_clutter(Canvas& canvas, Draw& draw, const Ranges& r) {
  const auto last = static_cast<double>(canvas.side - 1);
  for (int left = draw.below(r.clutter_high + 1); left > 0; --left) {
    Point from{draw.uniform(0, last), draw.uniform(0, last)};
    double heading = draw.uniform(0, 2 * std::numbers::pi);
    const double piece = draw.uniform(r.clutter_length_low, r.clutter_length_high) / 3;
    const double bend = draw.uniform(-0.6, 0.6), pen = draw.uniform(r.pen_low, r.pen_high);
    const double ink = draw.uniform(r.clutter_ink_low, r.clutter_ink_high);
    for (int i = 0; i < 3; ++i, heading += bend) {
      const Point to{from.x + piece * std::cos(heading), from.y + piece * std::sin(heading)};
      mark(canvas, from, to, pen, ink);
      from = to;
    }
  }
}

void blur(Canvas& canvas, double weight) {
  const auto n = static_cast<std::size_t>(canvas.side);
  const float w = static_cast<float>(weight), centre = 1 - 2 * w;
  const auto filter = [&](float* line, std::size_t step) {
    float before = line[0];
    for (std::size_t i = 0; i < n; ++i) {
      const float here = line[i * step], after = i + 1 < n ? line[(i + 1) * step] : here;
      line[i * step] = w * (before + after) + centre * here;
      before = here;
    }
  };
  for (std::size_t y = 0; y < n; ++y) filter(canvas.ink.data() + y * n, 1);
  for (std::size_t x = 0; x < n; ++x) filter(canvas.ink.data() + x, n);
}

float noise(std::uint64_t bits, int half) {
  int sum = 0;
  for (int byte = 0; byte < 4; ++byte)
    sum += static_cast<int>((bits >> (32 * half + 8 * byte)) & 255);
  return static_cast<float>(sum - 510) * (1 / 147.8005f);  // sd of the sum: sqrt(4 (256^2-1) / 12)
}

}  // namespace bitwright::glyphs
