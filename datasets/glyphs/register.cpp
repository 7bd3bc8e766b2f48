#include <memory>

#include <bitwright/core/registry.h>
#include <bitwright/data/dataset.h>

#include "glyphs.h"

namespace bitwright {

static Options glyphs_options() {
  Options options;
  options.choice("normalization", {"glyphs", "none", "train"}, "glyphs",
                 "mean and sd of the pixels: of the default set; 0 and 1; of the training split");
  options.integer("train_images", 60000, "training images, before validation images are split off")
      .unit("images")
      .min(1)
      .max(10'000'000);
  options.integer("test_images", 10000, "test images").unit("images").min(1).max(10'000'000);
  options
      .integer("generator_seed", 1,
               "seed of the images; separate from the seed of training, so that runs with several "
               "seeds share their data")
      .min(0);
  return options;
}

void register_glyphs(Registries& registries) {
  registries.datasets.add(
      {"glyphs", "digits rendered from pen strokes, 28x28 grey, any number; needs no files", "",
       glyphs_options()},
      [](const Settings& settings, const DataRoot&) -> std::unique_ptr<Dataset> {
        return std::make_unique<glyphs::Glyphs>(
            static_cast<std::uint64_t>(settings.integer("generator_seed")),
            settings.integer("train_images"), settings.integer("test_images"));
      });
}

}  // namespace bitwright
