#include "glyphs.h"

#include <fmt/format.h>

#include <bitwright/core/sha256.h>

#include "generator.h"

namespace bitwright::glyphs {

InputSpec Glyphs::input() const { return {1, side, side, classes}; }

ImageSet Glyphs::part(const std::string& name, std::int64_t count) {
  ImageSet set = generate(seed_, name, count);
  Sha256 hash;
  hash.update(set.pixels.data(), set.pixels.size());
  hash.update(set.labels.data(), set.labels.size() * sizeof set.labels[0]);
  hashes_[fmt::format("glyphs {} (generator {}, seed {}, {} images)", name, generator_version,
                      seed_, count)] = hash.hex();
  return set;
}

// Measured on the 60,000 training images of generator seed 1.
std::map<std::string, Normalization> Glyphs::normalizations() const {
  return {{"glyphs", {{0.2163}, {0.2300}}}};
}

}  // namespace bitwright::glyphs
