// Residual networks of basic blocks (He et al. 2015, arXiv:1512.03385; pre-activation: He et al.
// 2016, arXiv:1603.05027): three stages for small images, four for larger ones.
#include <vector>

#include <fmt/format.h>

#include <bitwright/core/registry.h>
#include <bitwright/nn/network.h>

#include "nn/common_options.h"
#include "nn/networks.h"

namespace bitwright {
namespace {

struct Stage {
  std::int64_t channels;
  int blocks;
};

/// What all blocks of a network have in common.
struct Style {
  bool affine;
  bool projection;  ///< shortcut B; else A
  bool pre_activation;
};

Options resnet_options(const std::string& shortcut) {
  Options options;
  options
      .choice("shortcut", {"A", "B"}, shortcut,
              "where a stage begins: A subsamples and pads with zero channels, without parameters; "
              "B is a strided 1x1 convolution with batch normalisation")
      .choice("stem", {"cifar", "imagenet"}, "cifar",
              "first layers: a 3x3 convolution, or a 7x7 one of stride 2 and a 3x3 max pool of "
              "stride 2")
      .integer("stem_stride", 1,
               "stride of the cifar stem's convolution; 2 for images of 64x64 (arXiv:1812.04353)")
      .min(1)
      .max(4)
      .boolean("pre_activation", false,
               "normalisation and ReLU before each convolution instead of behind it; B is then a "
               "bare convolution");
  declare_affine(options, true);
  declare_width(options);
  return declare_initialization(options, "kaiming");
}

void convolution(NetworkBuilder& b, std::string_view name, std::int64_t channels,
                 std::int64_t stride = 1) {
  b.conv2d(name, channels, 3, {.stride = stride, .padding = 1}, false);
}

NetworkBuilder::Part shortcut(std::int64_t channels, std::int64_t stride, const Style& style) {
  return [=](NetworkBuilder& b) {
    b.scope("shortcut", [&](NetworkBuilder& s) {
      if (!style.projection) {
        s.shortcut_a(stride, channels, "pad");
        return;
      }
      s.conv2d("conv", channels, 1, {.stride = stride}, false);
      if (!style.pre_activation) s.batch_norm("bn", style.affine);
    });
  };
}

void basic_block(NetworkBuilder& b, std::int64_t channels, std::int64_t stride, bool changes,
                 const Style& style) {
  const auto body = [&](NetworkBuilder& m) {
    convolution(m, "conv1", channels, stride);
    m.batch_norm("bn1", style.affine).relu("relu1");
    convolution(m, "conv2", channels);
    m.batch_norm("bn2", style.affine);
  };
  b.residual("add", body, changes ? shortcut(channels, stride, style) : nullptr).relu("relu2");
}

// Where the shape changes, both paths share the first activation; the network's first block has
// none of its own, since the stem ends in one (arXiv:1603.05027, section 4).
void pre_activation_block(NetworkBuilder& b, std::int64_t channels, std::int64_t stride,
                          bool changes, bool first, const Style& style) {
  const auto activation = [&](NetworkBuilder& m) {
    m.batch_norm("bn1", style.affine).relu("relu1");
  };
  const auto convolutions = [&](NetworkBuilder& m) {
    convolution(m, "conv1", channels, stride);
    m.batch_norm("bn2", style.affine).relu("relu2");
    convolution(m, "conv2", channels);
  };
  const auto all = [&](NetworkBuilder& m) {
    activation(m);
    convolutions(m);
  };
  if (changes) {
    activation(b);
    b.residual("add", convolutions, shortcut(channels, stride, style));
  } else if (first) {
    b.residual("add", convolutions);
  } else {
    b.residual("add", all);
  }
}

void stem(NetworkBuilder& b, const Settings& s, std::int64_t channels) {
  const bool imagenet = s.text("stem") == "imagenet";
  const std::int64_t stride = s.integer("stem_stride");
  if (imagenet && stride != 1)
    throw config_error(s.where("stem_stride"), "'stem_stride' belongs to the cifar stem",
                       "stem: cifar, or no stem_stride", "remove one of the two");
  if (imagenet)
    b.conv2d("conv1", channels, 7, {.stride = 2, .padding = 3}, false);
  else
    convolution(b, "conv1", channels, stride);
  b.batch_norm("bn1", s.boolean("affine")).relu("relu");
  if (imagenet) b.max_pool2d(3, 2, 1, "maxpool");
}

std::unique_ptr<Network> resnet(const Settings& s, const InputSpec& input,
                                const std::vector<Stage>& stages) {
  const Style style{s.boolean("affine"), s.text("shortcut") == "B", s.boolean("pre_activation")};
  NetworkBuilder b(input, s.place());
  b.initialization(initialization_of(s));
  stem(b, s, scaled(s.real("width"), stages.front().channels));
  for (std::size_t i = 0; i < stages.size(); ++i)
    for (int block = 0; block < stages[i].blocks; ++block) {
      const std::int64_t channels = scaled(s.real("width"), stages[i].channels);
      const bool first = i == 0 && block == 0;
      const std::int64_t stride = i > 0 && block == 0 ? 2 : 1;
      const bool changes = stride != 1;
      b.scope(fmt::format("layer{}.{}", i + 1, block), [&](NetworkBuilder& m) {
        if (style.pre_activation)
          pre_activation_block(m, channels, stride, changes, first, style);
        else
          basic_block(m, channels, stride, changes, style);
      });
    }
  if (style.pre_activation) b.batch_norm("bn2", style.affine).relu("relu2");
  b.global_avg_pool("avgpool").linear("fc", input.classes);
  return b.build();
}

void add(Registries& registries, const std::string& name, const std::string& summary,
         const std::string& default_shortcut, const std::vector<Stage>& stages) {
  registries.networks.add(
      {name, summary, "arXiv:1512.03385", resnet_options(default_shortcut)},
      [stages](const Settings& s, const InputSpec& input) { return resnet(s, input, stages); });
}

}  // namespace

void register_resnet(Registries& registries) {
  for (const int depth : {8, 20, 32, 44, 56, 110}) {
    const int blocks = (depth - 2) / 6;
    add(registries, fmt::format("resnet{}", depth),
        fmt::format("residual network of {} layers for small images: 16-32-64 channels, {} basic "
                    "block{} each",
                    depth, blocks, blocks == 1 ? "" : "s"),
        "A", {{16, blocks}, {32, blocks}, {64, blocks}});
  }
  add(registries, "resnet18",
      "residual network of 18 layers: 64-128-256-512 channels, 2 basic blocks each", "B",
      {{64, 2}, {128, 2}, {256, 2}, {512, 2}});
  add(registries, "resnet34",
      "residual network of 34 layers: 64-128-256-512 channels, 3, 4, 6 and 3 basic blocks", "B",
      {{64, 3}, {128, 4}, {256, 6}, {512, 3}});
}

}  // namespace bitwright
