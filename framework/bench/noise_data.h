#pragma once
// Images that benches load: noise, prepared as the papers' data are.

#include <bitwright/core/registry.h>
#include <bitwright/data/augmentation.h>
#include <bitwright/data/dataset.h>

namespace bitwright::bench {

/// So many images of that shape, every byte from a fixed stream, all of class 0.
ImageSet noise_images(const InputSpec& input, std::int64_t count);

/// The usual CIFAR training transform: margins of 4 pixels and a crop, a flip by chance.
Augmentations crop_and_flip(const Registries& registries, const InputSpec& input);

}  // namespace bitwright::bench
