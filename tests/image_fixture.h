#pragma once
// Small image sets and augmentations by name.

#include <string>
#include <vector>

#include <bitwright/core/rng.h>
#include <bitwright/data/augmentation.h>
#include <bitwright/data/dataset.h>

#include "method_fixture.h"

namespace bitwright::test {

/// Noise; image i has the label i.
inline ImageSet random_images(std::int64_t count, std::int64_t channels, std::int64_t height,
                              std::int64_t width) {
  ImageSet set;
  set.height = height, set.width = width, set.channels = channels;
  set.classes = static_cast<int>(count);
  const Rng rng(1, "test images");
  for (std::int64_t i = 0; i < count; ++i) set.labels.push_back(static_cast<std::int32_t>(i));
  for (std::int64_t i = 0; i < count * set.image_size(); ++i)
    set.pixels.push_back(static_cast<std::uint8_t>(rng.below(static_cast<std::uint64_t>(i), 256)));
  return set;
}

inline std::shared_ptr<const Augmentation> augmentation(const std::string& name,
                                                        const InputSpec& input,
                                                        const Given& given = {}) {
  return make_component(builtin_registries().augmentations, name, given, input);
}

/// With their defaults; color_jitter with some of everything.
inline Augmentations augmentations(const std::vector<std::string>& names, const ImageSet& set) {
  const InputSpec input{set.channels, set.height, set.width, set.classes};
  Augmentations all;
  for (const std::string& name : names) {
    Given given;
    if (name == "color_jitter")
      given = {{"brightness", 0.4}, {"contrast", 0.4}, {"saturation", 0.4}, {"hue", 0.1}};
    if (name == "cutout") given = {{"size", std::int64_t{3}}};
    all.push_back(augmentation(name, input, given));
  }
  return all;
}

}  // namespace bitwright::test
