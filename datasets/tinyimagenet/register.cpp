#include <memory>

#include <bitwright/core/registry.h>

#include "tinyimagenet.h"

namespace bitwright {

static Options tinyimagenet_options() {
  Options options;
  options.choice("normalization", {"imagenet", "none", "train"}, "imagenet",
                 "mean and sd of the pixels: ImageNet's, as most code has it; 0 and 1; of the "
                 "training split");
  options.choice("class_order", {"wnids", "alphabetical"}, "wnids",
                 "what numbers the classes: the lines of wnids.txt, or the alphabet, as readers of "
                 "class folders have it");
  return options;
}

void register_tinyimagenet(Registries& registries) {
  registries.datasets.add(
      {"tinyimagenet",
       "photographs, 64x64 colour, 200 classes, 100,000 training and 10,000 validation images", "",
       tinyimagenet_options()},
      [](const Settings& settings, const DataRoot& root) -> std::unique_ptr<Dataset> {
        using tinyimagenet::ClassOrder;
        return std::make_unique<tinyimagenet::TinyImageNet>(
            root,
            settings.text("class_order") == "wnids" ? ClassOrder::wnids : ClassOrder::alphabetical);
      });
}

}  // namespace bitwright
