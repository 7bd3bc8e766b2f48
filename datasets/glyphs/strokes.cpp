#include "strokes.h"

#include <array>
#include <cmath>
#include <numbers>

namespace bitwright::glyphs {

Pen& Pen::move(double x, double y) {
  strokes_.push_back({{x, y}});
  return *this;
}

Pen& Pen::line(double x, double y) {
  strokes_.back().push_back({x, y});
  return *this;
}

Pen& Pen::curve(double x1, double y1, double x2, double y2, double x, double y) {
  constexpr int pieces = 8;
  const Point from = strokes_.back().back();
  for (int i = 1; i <= pieces; ++i) {
    const double t = static_cast<double>(i) / pieces, s = 1 - t;
    const double a = s * s * s, b = 3 * s * s * t, c = 3 * s * t * t, d = t * t * t;
    line(a * from.x + b * x1 + c * x2 + d * x, a * from.y + b * y1 + c * y2 + d * y);
  }
  return *this;
}

Pen& Pen::arc(double cx, double cy, double rx, double ry, double from, double to) {
  const int pieces = static_cast<int>(std::ceil(std::abs(to - from) / 24));
  for (int i = 0; i <= pieces; ++i) {
    const double angle = (from + (to - from) * i / pieces) * std::numbers::pi / 180;
    const double x = cx + rx * std::cos(angle), y = cy + ry * std::sin(angle);
    if (strokes_.empty())
      move(x, y);
    else
      line(x, y);
  }
  return *this;
}

static std::array<std::vector<Pen>, 10> draw_all() {
  return {{
      // 0: closed, with a gap at the top, and begun inside
      {Pen{}.arc(0.5, 0.5, 0.5, 0.5, -90, 270), Pen{}.arc(0.5, 0.5, 0.5, 0.5, -70, 255),
       Pen{}.arc(0.5, 0.5, 0.42, 0.5, -110, 285)},
      // 1: bare, with a flag, with a flag and a foot
      {Pen{}.move(0.5, 0).line(0.5, 1), Pen{}.move(0.25, 0.22).line(0.55, 0).line(0.55, 1),
       Pen{}.move(0.25, 0.2).line(0.5, 0).line(0.5, 1).move(0.2, 1).line(0.8, 1)},
      // 2: straight foot, looped foot, round shoulder
      {Pen{}.arc(0.5, 0.27, 0.45, 0.27, -165, 20).line(0.03, 1).line(1, 1),
       Pen{}
           .move(0.08, 0.22)
           .curve(0.3, -0.12, 0.95, -0.08, 0.88, 0.32)
           .curve(0.82, 0.6, 0.45, 0.85, 0.22, 0.98)
           .curve(-0.05, 1.0, 0.02, 0.75, 0.25, 0.82)
           .curve(0.5, 0.9, 0.7, 1.08, 1, 0.92),
       Pen{}
           .move(0.05, 0.3)
           .curve(0.1, -0.1, 0.95, -0.1, 0.93, 0.3)
           .curve(0.9, 0.6, 0.1, 0.65, 0.05, 1)
           .line(0.97, 1)},
      // 3: two bows, flat top, small upper bow
      {Pen{}.arc(0.45, 0.26, 0.42, 0.26, -160, 90).arc(0.45, 0.75, 0.5, 0.25, -90, 160),
       Pen{}.move(0.05, 0).line(0.9, 0).line(0.42, 0.4).arc(0.42, 0.7, 0.52, 0.3, -85, 155),
       Pen{}
           .move(0.1, 0.08)
           .curve(0.6, -0.1, 1.0, 0.15, 0.75, 0.36)
           .curve(0.65, 0.45, 0.5, 0.46, 0.35, 0.46)
           .curve(0.9, 0.45, 1.15, 0.75, 0.8, 0.93)
           .curve(0.6, 1.05, 0.25, 1.02, 0.02, 0.88)},
      // 4: open, closed, open with a slanting stem
      {Pen{}.move(0.12, 0).line(0.05, 0.58).line(1, 0.58).move(0.75, 0.05).line(0.75, 1),
       Pen{}.move(0.68, 0).line(0, 0.68).line(1, 0.68).move(0.68, 0).line(0.68, 1),
       Pen{}
           .move(0.22, 0.02)
           .curve(0.12, 0.3, 0.0, 0.45, 0.02, 0.52)
           .curve(0.2, 0.6, 0.6, 0.55, 0.88, 0.5)
           .move(0.88, 0.0)
           .line(0.62, 1)},
      // 5: one stroke, bar set apart, angular
      {Pen{}.move(0.95, 0).line(0.2, 0).line(0.12, 0.45).arc(0.45, 0.68, 0.48, 0.32, -125, 150),
       Pen{}
           .move(0.2, 0.02)
           .line(0.15, 0.42)
           .curve(0.6, 0.3, 1.05, 0.45, 0.92, 0.75)
           .curve(0.8, 1.05, 0.3, 1.05, 0.02, 0.9)
           .move(0.2, 0.02)
           .line(1, 0.0),
       Pen{}
           .move(0.9, 0)
           .line(0.1, 0)
           .line(0.1, 0.42)
           .line(0.55, 0.42)
           .arc(0.55, 0.71, 0.4, 0.29, -90, 90)
           .line(0.05, 1)},
      // 6: bowed stem, straight stem, curled top
      {Pen{}
           .move(0.8, 0)
           .curve(0.3, 0.15, 0.0, 0.45, 0.03, 0.72)
           .arc(0.5, 0.7, 0.46, 0.3, 180, -175),
       Pen{}.move(0.62, 0).line(0.1, 0.6).arc(0.48, 0.7, 0.44, 0.3, 195, -160),
       Pen{}
           .move(0.92, 0.14)
           .curve(0.7, -0.1, 0.05, 0.0, 0.04, 0.68)
           .arc(0.48, 0.7, 0.44, 0.3, 175, -170)},
      // 7: plain, crossed, with a serif and a bowed stem
      {Pen{}.move(0.02, 0).line(0.97, 0).line(0.35, 1),
       Pen{}.move(0.02, 0.03).line(0.97, 0).line(0.4, 1).move(0.3, 0.5).line(0.9, 0.48),
       Pen{}
           .move(0.05, 0.18)
           .line(0.05, 0.02)
           .line(0.97, 0.02)
           .curve(0.75, 0.35, 0.45, 0.5, 0.42, 1)},
      // 8: two rings, one stroke, small upper ring
      {Pen{}.arc(0.5, 0.25, 0.38, 0.25, 90, 450).arc(0.5, 0.75, 0.46, 0.25, -90, 270),
       Pen{}
           .move(0.85, 0.12)
           .curve(0.4, -0.15, -0.05, 0.15, 0.3, 0.4)
           .curve(0.6, 0.55, 1.1, 0.65, 0.9, 0.88)
           .curve(0.65, 1.1, 0.0, 1.05, 0.08, 0.75)
           .curve(0.2, 0.5, 0.85, 0.4, 0.85, 0.12),
       Pen{}.arc(0.5, 0.2, 0.3, 0.2, 90, 450).arc(0.5, 0.7, 0.46, 0.3, -90, 270)},
      // 9: straight stem, bowed stem, hooked tail
      {Pen{}.arc(0.48, 0.3, 0.44, 0.3, 0, -360).line(0.9, 1),
       Pen{}.arc(0.46, 0.3, 0.42, 0.3, -10, -360).curve(0.92, 0.6, 0.75, 0.85, 0.45, 1),
       Pen{}.arc(0.48, 0.28, 0.44, 0.28, 5, -355).curve(0.95, 0.9, 0.7, 1.1, 0.1, 0.92)},
  }};
}

const std::vector<Pen>& styles_of(int digit) {
  static const std::array<std::vector<Pen>, 10> all = draw_all();
  return all.at(static_cast<std::size_t>(digit));
}

}  // namespace bitwright::glyphs
