#include <bitwright/core/registry.h>

#include "data/augmentations/augmentations.h"

namespace bitwright {

void register_augmentations(Registries& registries) {
  auto& all = registries.augmentations;
  all.add({"pad_and_crop", "a random window of the image with a margin around it, of its own size",
           "arXiv:1512.03385, section 4.2", pad_and_crop_options()},
          make_pad_and_crop);
  all.add({"horizontal_flip", "left and right exchanged by chance", "", horizontal_flip_options()},
          make_horizontal_flip);
  all.add({"random_resized_crop", "a part of random size and shape, scaled to the image's size",
           "arXiv:1409.4842, section 6", random_resized_crop_options()},
          make_random_resized_crop);
  all.add({"color_jitter", "brightness, contrast, saturation and hue changed, in random order", "",
           color_jitter_options()},
          make_color_jitter);
  all.add({"cutout", "squares set to the mean", "arXiv:1708.04552", cutout_options()}, make_cutout);
  all.add({"mixup", "a weighted sum with another training image, labels included",
           "arXiv:1710.09412", mixup_options()},
          make_mixup);
}

}  // namespace bitwright
