#include "bench/noise_data.h"

#include <algorithm>
#include <cstring>

#include <bitwright/core/rng.h>

#include "experiment/config.h"

namespace bitwright::bench {

ImageSet noise_images(const InputSpec& input, std::int64_t count) {
  ImageSet set;
  set.height = input.height, set.width = input.width;
  set.channels = input.channels;
  set.classes = input.classes;
  set.labels.assign(static_cast<std::size_t>(count), 0);
  set.pixels.resize(static_cast<std::size_t>(count * set.image_size()));
  const Rng rng(1, "bench pixels");
  for (std::size_t i = 0; i < set.pixels.size(); i += 8) {
    const std::uint64_t bits = rng.bits(i / 8);
    std::memcpy(set.pixels.data() + i, &bits, std::min<std::size_t>(8, set.pixels.size() - i));
  }
  return set;
}

Augmentations crop_and_flip(const Registries& registries, const InputSpec& input) {
  const Options options = Options{}.components("augment", "augmentations", "the transform");
  const Settings settings =
      parse_config("augment: [{name: pad_and_crop, padding: 4}, horizontal_flip]\n", "bench", {},
                   options, registries);
  Augmentations all;
  for (const Settings& one : settings.sections("augment"))
    all.push_back(registries.augmentations.make(one, input));
  return all;
}

}  // namespace bitwright::bench
