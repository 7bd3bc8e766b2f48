#pragma once
// Renders digits from strokes, in grey or in colour. An image is a pure function of (seed, part,
// index).

#include <cstdint>
#include <string_view>

#include <bitwright/data/dataset.h>

namespace bitwright::glyphs {

inline constexpr std::int64_t side = 28;  ///< height and width of a grey image, pixels
inline constexpr int digits = 10;

/// Raised whenever the same (seed, part, index) would give another image.
inline constexpr int generator_version = 1;
inline constexpr int color_version = 1;  ///< the same for coloured images

/// From what the random properties of an image are drawn; lengths in pixels, grey levels in 0..1.
/// README.md has the formulas. The defaults are the data set; other values are for experiments
/// with its hardness.
struct Ranges {
  double height_low = 15, height_high = 21;    ///< of the digit
  double aspect_low = 0.5, aspect_high = 0.9;  ///< width / height
  double rotation = 18;                        ///< degrees, either way
  double shear = 0.35;                         ///< sideways shift per unit of height, either way
  double shift = 3;                            ///< either way, along x and y
  double warp = 0.07;                          ///< of the digit's size
  double pen_low = 0.7, pen_high = 1.7;        ///< radius of the pen
  double ink_low = 0.6, ink_high = 1;
  double paper_high = 0.2;                     ///< brightness of the background, from 0
  double blur_high = 0.25;                     ///< weight of each neighbour in the 3-tap filter
  double noise_low = 0.03, noise_high = 0.13;  ///< standard deviation
  int clutter_high = 3;                        ///< stray strokes, from 0
  double clutter_length_low = 3, clutter_length_high = 7;
  double clutter_ink_low = 0.3, clutter_ink_high = 0.8;
};

/// The class of an image: of every `classes` consecutive ones, starting at a multiple of it, each
/// belongs to another class.
int label_of(std::uint64_t seed, std::string_view part, std::int64_t index, int classes = digits);

/// Writes side x side grey levels, row by row. `part` is "train" or "test".
void render(std::uint64_t seed, std::string_view part, std::int64_t index, int digit,
            std::uint8_t* pixels, const Ranges& ranges = {});

/// Coloured images. Class c is digit c mod 10; beyond 10 classes also a pattern of the paper, and
/// beyond 40 a hue of the ink, which are drawn by chance where they are no part of the class.
struct ColorStyle {
  std::int64_t side = 32;
  int classes = 10;  ///< 10 to 200
};

/// Writes side x side pixels of red, green and blue, row by row.
void render_color(std::uint64_t seed, std::string_view part, std::int64_t index, int label,
                  const ColorStyle& style, std::uint8_t* pixels);

/// Images 0 .. count-1 of a part.
ImageSet generate(std::uint64_t seed, std::string_view part, std::int64_t count,
                  const Ranges& ranges = {});
ImageSet generate_color(std::uint64_t seed, std::string_view part, std::int64_t count,
                        const ColorStyle& style);

}  // namespace bitwright::glyphs
