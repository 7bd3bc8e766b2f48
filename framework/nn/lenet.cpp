// LeNet-300-100 and LeNet-5 as used in quantization papers (LeCun et al. 1998; widths after Caffe).
#include <bitwright/core/registry.h>
#include <bitwright/nn/network.h>

#include "nn/networks.h"

namespace bitwright {
namespace {

Options lenet_options() {
  return Options{}.boolean("affine", false,
                           "batch normalisation has a learnable scale and shift per channel");
}

std::unique_ptr<Network> lenet300(const Settings& s, const InputSpec& input) {
  const bool affine = s.boolean("affine");
  NetworkBuilder b(input);
  b.flatten();
  b.linear("fc1", 300).batch_norm("bn1", affine).relu();
  b.linear("fc2", 100).batch_norm("bn2", affine).relu();
  b.linear("fc3", input.classes);
  return b.build();
}

std::unique_ptr<Network> lenet5(const Settings& s, const InputSpec& input) {
  const bool affine = s.boolean("affine");
  NetworkBuilder b(input);
  b.conv2d("conv1", 20, 5).batch_norm("bn1", affine).relu().max_pool2d(2, 2);
  b.conv2d("conv2", 50, 5).batch_norm("bn2", affine).relu().max_pool2d(2, 2);
  b.flatten();
  b.linear("fc1", 500).batch_norm("bn3", affine).relu();
  b.linear("fc2", input.classes);
  return b.build();
}

}  // namespace

void register_lenet(Registries& registries) {
  registries.networks.add({"lenet300", "784-300-100-10 perceptron with batch normalisation",
                           "arXiv:1812.04353, section 5", lenet_options()},
                          lenet300);
  registries.networks.add({"lenet5", "20-50-500-10 convolutional network with batch normalisation",
                           "arXiv:1812.04353, section 5", lenet_options()},
                          lenet5);
}

}  // namespace bitwright
