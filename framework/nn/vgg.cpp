// VGG networks for small images (Simonyan and Zisserman 2015): groups of 3x3 convolutions, each
// group with a 2x2 pool behind it, then linear layers. Batch normalisation before every ReLU.
#include <vector>

#include <fmt/format.h>

#include <bitwright/core/registry.h>
#include <bitwright/nn/network.h>

#include "nn/common_options.h"
#include "nn/networks.h"

namespace bitwright {
namespace {

using Widths = std::vector<std::int64_t>;
using Groups = std::vector<Widths>;  // channels of the convolutions between two pools

struct VggDefaults {
  Widths hidden;
  bool bias, affine;
  std::string init;
};

Options vgg_options(const VggDefaults& defaults) {
  Options options;
  options.integers("hidden", defaults.hidden, "widths of the hidden linear layers, before `width`")
      .unit("units")
      .min(1)
      .boolean("bias", defaults.bias,
               "convolutions and hidden linear layers have biases in front of the normalisation");
  declare_affine(options, defaults.affine);
  declare_width(options);
  return declare_initialization(options, defaults.init);
}

std::unique_ptr<Network> vgg(const Settings& s, const InputSpec& input, const Groups& groups) {
  const double width = s.real("width");
  const bool bias = s.boolean("bias"), affine = s.boolean("affine");
  NetworkBuilder b(input, s.place());
  b.initialization(initialization_of(s));
  int norm = 1, convolution = 1, hidden = 1;
  const auto activate = [&] { b.batch_norm(fmt::format("bn{}", norm++), affine).relu(); };
  for (const Widths& group : groups) {
    for (const std::int64_t channels : group) {
      b.conv2d(fmt::format("conv{}", convolution++), scaled(width, channels), 3, {.padding = 1},
               bias);
      activate();
    }
    b.max_pool2d(2, 2);
  }
  b.flatten();
  for (const std::int64_t features : s.integers("hidden")) {
    b.linear(fmt::format("fc{}", hidden++), scaled(width, features), bias);
    activate();
  }
  b.linear(fmt::format("fc{}", hidden), input.classes);
  return b.build();
}

void add(Registries& registries, const std::string& name, const std::string& summary,
         const std::string& source, const VggDefaults& defaults, const Groups& groups) {
  registries.networks.add(
      {name, summary, source, vgg_options(defaults)},
      [groups](const Settings& s, const InputSpec& input) { return vgg(s, input, groups); });
}

}  // namespace

void register_vgg(Registries& registries) {
  const Groups small{{128, 128}, {256, 256}, {512, 512}};
  add(registries, "vgg7", "2x128-2x256-2x512 3x3 convolutions, 1024 hidden units",
      "arXiv:1810.01875", {{1024}, false, true, "kaiming"}, small);
  add(registries, "vgg-small", "2x128-2x256-2x512 3x3 convolutions, no hidden linear layer",
      "arXiv:1702.00953", {{}, false, true, "kaiming"}, small);
  // As the mean-field papers have them: biases, no affine map; the networks that they quantize
  // whole.
  const VggDefaults whole{{512, 512}, true, false, "xavier"};
  add(registries, "vgg11", "8 convolutions of 3x3, 3 linear layers, for images of 32x32 and more",
      "arXiv:1409.1556, table 1 (A); head as in arXiv:1812.04353", whole,
      {{64}, {128}, {256, 256}, {512, 512}, {512, 512}});
  add(registries, "vgg16", "13 convolutions of 3x3, 3 linear layers, for images of 32x32 and more",
      "arXiv:1812.04353, section 5", whole,
      {{64, 64}, {128, 128}, {256, 256, 256}, {512, 512, 512}, {512, 512, 512}});
}

}  // namespace bitwright
