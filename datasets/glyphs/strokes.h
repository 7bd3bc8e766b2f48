#pragma once
// The ten digits as pen strokes: the part of the generator that is drawn by hand.

#include <vector>

namespace bitwright::glyphs {

/// x grows to the right, y downwards; a digit fills the unit square.
struct Point {
  double x = 0, y = 0;
};

/// One touch of the pen, as a chain of straight pieces.
using Stroke = std::vector<Point>;

/// Strokes put together from lines, arcs and cubic Bezier curves.
///   Pen{}.move(0, 0).line(1, 0).curve(0.7, 0.3, 0.5, 0.6, 0.4, 1)
class Pen {
 public:
  Pen& move(double x, double y);  ///< begins a stroke
  Pen& line(double x, double y);
  /// Cubic Bezier curve from the current point through two control points to (x, y).
  Pen& curve(double x1, double y1, double x2, double y2, double x, double y);
  /// Part of an ellipse, angles in degrees clockwise from the right; joined to the current stroke
  /// by a line, or beginning one when there is none.
  Pen& arc(double cx, double cy, double rx, double ry, double from, double to);

  const std::vector<Stroke>& strokes() const { return strokes_; }

 private:
  std::vector<Stroke> strokes_;
};

/// The ways to write a digit, 0 <= digit <= 9.
const std::vector<Pen>& styles_of(int digit);

}  // namespace bitwright::glyphs
