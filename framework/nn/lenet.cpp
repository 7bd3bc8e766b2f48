// LeNet-300-100 and LeNet-5 as used in quantization papers (LeCun et al. 1998; widths after Caffe).
#include <array>

#include <bitwright/core/registry.h>
#include <bitwright/nn/network.h>

#include "nn/common_options.h"
#include "nn/networks.h"

namespace bitwright {
namespace {

Options lenet_options(bool batch_norm) {
  Options options;
  options.boolean("batch_norm", batch_norm, "batch normalisation before each ReLU");
  declare_affine(options, false);
  declare_width(options);
  return declare_initialization(options, "xavier");
}

// What stands between a layer's sums and the next layer.
void activate(NetworkBuilder& b, const Settings& s, std::string_view norm) {
  if (s.boolean("batch_norm")) b.batch_norm(norm, s.boolean("affine"));
  b.relu();
}

std::unique_ptr<Network> lenet300(const Settings& s, const InputSpec& input) {
  const double width = s.real("width");
  NetworkBuilder b(input, s.place());
  b.initialization(initialization_of(s));
  b.flatten();
  activate(b.linear("fc1", scaled(width, 300)), s, "bn1");
  activate(b.linear("fc2", scaled(width, 100)), s, "bn2");
  b.linear("fc3", input.classes);
  return b.build();
}

// Two 5x5 convolutions without padding, each with a 2x2 pool, and a hidden layer.
std::unique_ptr<Network> lenet5(const Settings& s, const InputSpec& input,
                                const std::array<std::int64_t, 3>& sizes) {
  const double width = s.real("width");
  NetworkBuilder b(input, s.place());
  b.initialization(initialization_of(s));
  activate(b.conv2d("conv1", scaled(width, sizes[0]), 5), s, "bn1");
  b.max_pool2d(2, 2);
  activate(b.conv2d("conv2", scaled(width, sizes[1]), 5), s, "bn2");
  b.max_pool2d(2, 2);
  b.flatten();
  activate(b.linear("fc1", scaled(width, sizes[2])), s, "bn3");
  b.linear("fc2", input.classes);
  return b.build();
}

}  // namespace

void register_lenet(Registries& registries) {
  registries.networks.add({"lenet300", "784-300-100-10 perceptron with batch normalisation",
                           "arXiv:1812.04353, section 5", lenet_options(true)},
                          lenet300);
  registries.networks.add({"lenet5", "20-50-500-10 convolutional network with batch normalisation",
                           "arXiv:1812.04353, section 5", lenet_options(true)},
                          [](const Settings& s, const InputSpec& input) {
                            return lenet5(s, input, {20, 50, 500});
                          });
  registries.networks.add(
      {"lenet5-wide", "32-64-512-10 convolutional network, 5x5 convolutions without padding",
       "arXiv:1810.01875", lenet_options(false)},
      [](const Settings& s, const InputSpec& input) {
        return lenet5(s, input, {32, 64, 512});
      });
}

}  // namespace bitwright
