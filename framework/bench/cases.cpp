#include "bench/cases.h"

#include <algorithm>

#include <fmt/format.h>

#include <bitwright/train/method.h>

#include "experiment/config.h"
#include "kernels/cpu.h"

namespace bitwright::bench {
namespace {

// The networks of the papers in their plain form, so that others' numbers can be compared:
// LeNets without batch normalisation (LeCun et al. 1998, Caffe's widths), VGG-16 and the ResNets as
// registered. ResNet-18 sees TinyImageNet's shape through a stem of stride 2, as arXiv:1812.04353.
const std::vector<StandardNet>& standard_nets() {
  static const std::vector<StandardNet> nets{
      {"lenet300", "lenet300", "batch_norm: false", {1, 28, 28, 10}, 100},
      {"lenet5", "lenet5", "batch_norm: false", {1, 28, 28, 10}, 100},
      {"resnet20", "resnet20", "", {3, 32, 32, 10}, 128},
      {"vgg16", "vgg16", "", {3, 32, 32, 10}, 128},
      {"resnet18", "resnet18", "", {3, 32, 32, 10}, 128},
      {"resnet18-64x64", "resnet18", "stem_stride: 2", {3, 64, 64, 200}, 64}};
  return nets;
}

const std::vector<std::string> kDtypes{"f32", "bf16"}, kModes{"train", "eval"};

// What this CPU computes in without emulation.
bool is_native(const std::string& dtype) { return dtype == "f32" || kernels::has_native_bf16(); }

Error unknown(std::string_view option, const std::string& word,
              const std::vector<std::string>& known) {
  const std::string near = nearest_name(word, known);
  return config_error(Place{"command line"}, fmt::format("unknown {} '{}'", option, word),
                      near.empty() ? fmt::format("one of {}", fmt::join(known, ", "))
                                   : fmt::format("did you mean '{}'?", near),
                      "see bitwright bench --help");
}

// The asked-for words in the order in which they are known, each once; all when none is asked for.
std::vector<std::string> chosen(std::string_view option, const std::vector<std::string>& asked,
                                const std::vector<std::string>& known) {
  for (const std::string& word : asked)
    if (std::find(known.begin(), known.end(), word) == known.end())
      throw unknown(option, word, known);
  if (asked.empty()) return known;
  std::vector<std::string> all;
  std::copy_if(known.begin(), known.end(), std::back_inserter(all), [&](const std::string& word) {
    return std::find(asked.begin(), asked.end(), word) != asked.end();
  });
  return all;
}

Settings methods_of(const Registries& registries, const std::string& method) {
  return parse_config(fmt::format("methods: [{}]\n", method), "--method", {},
                      Options{}.components("methods", "methods", "what quantizes"), registries);
}

// Each is made once, so that a wrong one is refused before anything is measured.
std::vector<std::string> chosen_methods(const Registries& registries,
                                        const std::vector<std::string>& asked) {
  std::vector<std::string> all;
  for (const std::string& method : asked) all.push_back(method == "none" ? "" : method);
  if (all.empty()) all.push_back("");
  for (const std::string& method : all) {
    const Settings parsed = methods_of(registries, method);
    for (const Settings& settings : parsed.sections("methods")) registries.methods.make(settings);
  }
  return all;
}

}  // namespace

std::vector<Case> select(const Registries& registries, const Selection& selection) {
  const auto methods = chosen_methods(registries, selection.methods);
  std::vector<std::string> names;
  for (const StandardNet& net : standard_nets()) names.push_back(net.name);
  const auto nets = chosen("network", selection.nets, names);
  const auto modes = chosen("mode", selection.modes, kModes);
  std::vector<Case> cases;
  for (const StandardNet& net : standard_nets()) {
    if (std::find(nets.begin(), nets.end(), net.name) == nets.end()) continue;
    if (registries.networks.find(net.network) == nullptr) {
      if (selection.nets.empty()) continue;
      throw config_error(Place{"command line"},
                         fmt::format("this program has no network '{}'", net.network),
                         "a network that 'bitwright list networks' names");
    }
    for (const std::string& dtype : chosen("dtype", selection.dtypes, kDtypes)) {
      if (!is_native(dtype) && selection.dtypes.empty()) continue;
      if (!is_native(dtype))
        throw config_error(Place{"command line"},
                           fmt::format("this CPU has no {} instructions", dtype), "--dtype f32");
      for (const std::string& mode : modes)
        for (const std::string& method : methods) cases.push_back({net, dtype, mode, method});
    }
  }
  return cases;
}

Settings settings_of(const Registries& registries, const Case& c) {
  const Options options = Options{}
                              .component("network", "networks", "", "what is measured")
                              .component("optimizer", "optimizers", "", "its updates");
  Settings settings =
      parse_config(fmt::format("network: {{name: {}, {}}}\n"
                               "optimizer: {{name: sgd, learning_rate: 1e-4, momentum: 0.9, "
                               "weight_decay: 1e-4}}\n",
                               c.net.network, c.net.options),
                   "bench", {}, options, registries);
  settings.set("methods", methods_of(registries, c.method).sections("methods"));
  return settings;
}

}  // namespace bitwright::bench
