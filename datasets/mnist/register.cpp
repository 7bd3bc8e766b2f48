#include <memory>

#include <fmt/format.h>

#include <bitwright/core/registry.h>
#include <bitwright/data/dataset.h>

#include "mnist.h"

namespace bitwright {

static Options idx_options(const mnist::Variant& variant) {
  return Options{}
      .choice(
          "normalization", {variant.name, "none", "train"}, variant.name,
          fmt::format("mean and sd of the pixels: {:.4f} and {:.4f}; 0 and 1; of the training "
                      "split",
                      variant.normalization.mean[0], variant.normalization.standard_deviation[0]))
      .boolean("official", true,
               "refuse a file of the official size whose hash is not the official one; false: "
               "images or labels were changed on purpose");
}

void register_mnist(Registries& registries) {
  const auto add = [&](const mnist::Variant& variant, const char* summary, const char* source) {
    registries.datasets.add(
        {variant.name, summary, source, idx_options(variant)},
        [&variant](const Settings& settings, const DataRoot& root) -> std::unique_ptr<Dataset> {
          return std::make_unique<mnist::Mnist>(variant, root,
                                                ReadOptions{settings.boolean("official")});
        });
  };
  add(mnist::mnist(), "handwritten digits, 28x28 grey, 60,000 training and 10,000 test images",
      "LeCun, Cortes, Burges: The MNIST database of handwritten digits");
  add(mnist::fashion_mnist(), "clothing, 28x28 grey, 60,000 training and 10,000 test images",
      "arXiv:1708.07747");
  add(mnist::kmnist(),
      "cursive Japanese characters, 28x28 grey, 60,000 training and 10,000 test images",
      "arXiv:1812.01718");
}

}  // namespace bitwright
