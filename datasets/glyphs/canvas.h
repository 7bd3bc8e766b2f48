#pragma once
// What the grey and the coloured images share: chance, ink on a canvas, blur, noise.

#include <array>
#include <cstdint>
#include <vector>

#include <bitwright/core/rng.h>

#include "generator.h"
#include "strokes.h"

namespace bitwright::glyphs {

/// Random numbers of one image, taken one after the other.
class Draw {
 public:
  explicit Draw(Rng rng) : rng_(rng) {}
  double uniform(double low, double high) { return rng_.uniform(next_++, low, high); }
  int below(int n) { return static_cast<int>(rng_.below(next_++, static_cast<std::uint64_t>(n))); }

 private:
  Rng rng_;
  std::uint64_t next_ = 0;
};

/// Square; how much ink lies on each pixel, row by row, in 0..1.
struct Canvas {
  explicit Canvas(std::int64_t side) : side(side), ink(static_cast<std::size_t>(side * side)) {}
  std::int64_t side;
  std::vector<float> ink;
};

/// Writes a digit in one of its styles, at a random place and in a random shape.
void write_digit(Canvas& canvas, Draw& draw, int digit, const Ranges& ranges);

/// Stray strokes: bent lines of three pieces that lie anywhere.
void write_clutter(Canvas& canvas, Draw& draw, const Ranges& ranges);

/// The filter (weight, 1 - 2 weight, weight) along rows, then along columns; pixels beyond the edge
/// repeat it.
void blur(Canvas& canvas, double weight);

/// Noise of mean 0 and standard deviation 1, nearly normal: four bytes added up, two values from
/// every 64 random bits (half 0 and 1).
float noise(std::uint64_t bits, int half);

}  // namespace bitwright::glyphs
