#pragma once
// What tests of methods share: settings as an experiment would resolve them, a small network, and a
// parameter under its transform on a tape.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <bitwright/core/registry.h>
#include <bitwright/train/method.h>

namespace bitwright::test {

using Given = std::vector<std::pair<std::string, OptionValue>>;

/// Declared defaults, then what is given (as if it stood in test.yaml:3:5).
inline Settings settings_for(const RegistryBase& registry, const std::string& name,
                             const Given& given = {}) {
  Settings settings;
  settings.set_component(name);
  settings.set_place({"test.yaml", 1, 1});
  for (const Option& option : registry.find(name)->options.list())
    if (option.fallback) settings.set(option.name, *option.fallback, Place{"default"});
  for (const auto& [option, value] : given) settings.set(option, value, Place{"test.yaml", 3, 5});
  return settings;
}

/// A method as made by its plugin's entry point.
inline std::unique_ptr<Method> make_method(void (*register_method)(Registries&),
                                           const std::string& name, const Given& given) {
  Registries registries;
  register_method(registries);
  return registries.methods.make(settings_for(registries.methods, name, given));
}

/// fc1 (4 -> 3) and fc2 (3 -> 2), with biases: 23 parameters.
inline std::unique_ptr<Network> small_network() {
  NetworkBuilder builder(InputSpec{1, 2, 2, 2});
  builder.flatten().linear("fc1", 3).relu().linear("fc2", 2);
  auto network = builder.build();
  initialize(*network, 1);
  return network;
}

inline StageInfo stage_of(Network& network, bool fresh_weights = true) {
  StageInfo stage;
  stage.name = "quantize";
  stage.seed = 1;
  stage.steps = 100;
  stage.steps_per_epoch = 10;
  stage.fresh_weights = fresh_weights;
  stage.network = &network;
  return stage;
}

/// The loss sum_j g_j w_j of one transformed parameter, so that dL/dw = g.
struct OnTape {
  OnTape(WeightTransform& transform, Tensor g)
      : hooks(), forward(tape, true, hooks), g_w(std::move(g)) {
    for (const Tensor& latent : transform.latents()) latents.push_back(tape.parameter(latent));
    weight = transform.effective(forward, latents);
    loss = sum(multiply(weight, tape.constant(g_w)));
    tape.backward(loss);
  }
  void replay() {
    tape.forward();
    tape.backward(loss);
  }

  Tape tape;
  ForwardHooks hooks;
  Forward forward;
  Tensor g_w;  ///< overwrite, then replay
  std::vector<Variable> latents;
  Variable weight, loss;
};

inline std::vector<float> list(const Tensor& tensor) {
  return {tensor.values().begin(), tensor.values().end()};
}

}  // namespace bitwright::test
