#include "generator.h"

#include <algorithm>
#include <functional>

#include <bitwright/core/parallel.h>

#include "canvas.h"

namespace bitwright::glyphs {

int label_of(std::uint64_t seed, std::string_view part, std::int64_t index, int classes) {
  const auto block = static_cast<std::uint64_t>(index / classes);
  const auto order = Rng(seed, "glyphs label", hash_name(part), block)
                         .permutation(static_cast<std::uint32_t>(classes));
  return static_cast<int>(order[static_cast<std::size_t>(index % classes)]);
}

void render(std::uint64_t seed, std::string_view part, std::int64_t index, int digit,
            std::uint8_t* pixels, const Ranges& ranges) {
  const auto number = static_cast<std::uint64_t>(index);
  Draw draw(Rng(seed, "glyphs", hash_name(part), number));
  Canvas canvas(side);
  write_digit(canvas, draw, digit, ranges);
  write_clutter(canvas, draw, ranges);
  blur(canvas, draw.uniform(0, ranges.blur_high));
  const auto paper = static_cast<float>(draw.uniform(0, ranges.paper_high));
  const auto sd = static_cast<float>(draw.uniform(ranges.noise_low, ranges.noise_high));
  const Rng grain(seed, "glyphs noise", hash_name(part), number);
  for (std::size_t i = 0; i < canvas.ink.size(); i += 2) {
    const std::uint64_t bits = grain.bits(i / 2);
    for (int half = 0; half < 2; ++half) {
      const float ink = canvas.ink[i + static_cast<std::size_t>(half)];
      const float level = paper + (1 - paper) * ink + sd * noise(bits, half);
      pixels[i + static_cast<std::size_t>(half)] =
          static_cast<std::uint8_t>(std::clamp(level, 0.0f, 1.0f) * 255 + 0.5f);
    }
  }
}

// Fills a set of the right shape: render(i, label, pixels) draws image i.
static void fill(ImageSet& set, std::uint64_t seed, std::string_view part, std::int64_t count,
                 const std::function<void(std::int64_t, int, std::uint8_t*)>& render) {
  set.labels.resize(static_cast<std::size_t>(count));
  set.pixels.resize(static_cast<std::size_t>(count * set.image_size()));
  parallel_for(count, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const int label = label_of(seed, part, i, set.classes);
      set.labels[static_cast<std::size_t>(i)] = label;
      render(i, label, set.pixels.data() + i * set.image_size());
    }
  });
}

ImageSet generate(std::uint64_t seed, std::string_view part, std::int64_t count,
                  const Ranges& ranges) {
  ImageSet set;
  set.height = set.width = side;
  set.channels = 1;
  set.classes = digits;
  fill(set, seed, part, count, [&](std::int64_t i, int label, std::uint8_t* pixels) {
    render(seed, part, i, label, pixels, ranges);
  });
  return set;
}

ImageSet generate_color(std::uint64_t seed, std::string_view part, std::int64_t count,
                        const ColorStyle& style) {
  ImageSet set;
  set.height = set.width = style.side;
  set.channels = 3;
  set.classes = style.classes;
  fill(set, seed, part, count, [&](std::int64_t i, int label, std::uint8_t* pixels) {
    render_color(seed, part, i, label, style, pixels);
  });
  return set;
}

}  // namespace bitwright::glyphs
