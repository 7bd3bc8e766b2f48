#include <memory>

#include <bitwright/core/registry.h>
#include <bitwright/data/dataset.h>

#include "mnist.h"

namespace bitwright {

static Options mnist_options() {
  Options options;
  options.choice("normalization", {"mnist", "none", "train"}, "mnist",
                 "mean and sd of the pixels: 0.1307 and 0.3081; 0 and 1; of the training split");
  return options;
}

void register_mnist(Registries& registries) {
  registries.datasets.add(
      {"mnist", "handwritten digits, 28x28 grey, 60,000 training and 10,000 test images",
       "LeCun, Cortes, Burges: The MNIST database of handwritten digits", mnist_options()},
      [](const Settings&, const DataRoot& root) -> std::unique_ptr<Dataset> {
        return std::make_unique<mnist::Mnist>(root);
      });
}

}  // namespace bitwright
