// Perceptrons of any depth; without hidden layers, multinomial logistic regression.
#include <fmt/format.h>

#include <bitwright/core/registry.h>
#include <bitwright/nn/network.h>

#include "nn/common_options.h"
#include "nn/networks.h"

namespace bitwright {

static std::unique_ptr<Network> mlp(const Settings& s, const InputSpec& input) {
  NetworkBuilder b(input, s.place());
  b.initialization(initialization_of(s));
  b.flatten();
  int layer = 1;
  for (const std::int64_t width : s.integers("hidden")) {
    b.linear(fmt::format("fc{}", layer), width);
    if (s.boolean("batch_norm")) b.batch_norm(fmt::format("bn{}", layer), s.boolean("affine"));
    b.relu();
    ++layer;
  }
  b.linear(fmt::format("fc{}", layer), input.classes);
  return b.build();
}

static Options mlp_options() {
  Options options;
  options.integers("hidden", {256}, "widths of the hidden layers, each followed by a ReLU")
      .unit("units")
      .min(1)
      .boolean("batch_norm", true, "batch normalisation before each ReLU");
  declare_affine(options, false);
  return declare_initialization(options, "xavier");
}

void register_mlp(Registries& registries) {
  registries.networks.add({"mlp",
                           "perceptron with hidden layers of the given widths; [] is logistic "
                           "regression",
                           "", mlp_options()},
                          mlp);
}

}  // namespace bitwright
