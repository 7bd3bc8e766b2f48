#include <memory>

#include <bitwright/core/registry.h>
#include <bitwright/data/dataset.h>

#include "cifar.h"

namespace bitwright {

static Options common_options(std::vector<std::string> normalizations, std::string doc) {
  const std::string fallback = normalizations.front();
  return Options{}
      .choice("normalization", std::move(normalizations), fallback, std::move(doc))
      .boolean("official", true,
               "refuse a file of the official size whose hash is not the official one; false: "
               "images or labels were changed on purpose");
}

void register_cifar(Registries& registries) {
  constexpr const char* source =
      "Krizhevsky: Learning multiple layers of features from tiny images (2009)";
  registries.datasets.add(
      {"cifar10", "photographs of 10 classes, 32x32 RGB, 50,000 training and 10,000 test images",
       source,
       common_options({"cifar10", "cifar10_per_image", "none", "train"},
                      "mean and sd of the pixels: of all pixels; with the mean sd of single "
                      "images, as much code has it; 0 and 1; of the training split")},
      [](const Settings& settings, const DataRoot& root) -> std::unique_ptr<Dataset> {
        return std::make_unique<cifar::Cifar>(cifar::cifar10(), root,
                                              ReadOptions{settings.boolean("official")});
      });
  registries.datasets.add(
      {"cifar100", "photographs of 100 classes, 32x32 RGB, 50,000 training and 10,000 test images",
       source,
       common_options({"cifar100", "none", "train"},
                      "mean and sd of the pixels: of all pixels; 0 and 1; of the training split")
           .choice("labels", {"fine", "coarse"}, "fine", "100 classes, or their 20 superclasses")},
      [](const Settings& settings, const DataRoot& root) -> std::unique_ptr<Dataset> {
        return std::make_unique<cifar::Cifar>(cifar::cifar100(settings.text("labels") == "coarse"),
                                              root, ReadOptions{settings.boolean("official")});
      });
}

}  // namespace bitwright
