#pragma once
// What tests of methods share: settings as an experiment would resolve them, a small network, and a
// parameter under its transform on a tape.

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/core/registry.h>
#include <bitwright/train/method.h>

#include "builtin_registries.h"

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

/// The component of this name, of its defaults and what is given; `inputs` are what else its
/// registry wants.
template <class Product, class... Inputs>
std::unique_ptr<Product> make_component(const Registry<Product, Inputs...>& registry,
                                        const std::string& name, const Given& given = {},
                                        std::type_identity_t<Inputs>... inputs) {
  return registry.make(settings_for(registry, name, given), std::forward<Inputs>(inputs)...);
}

inline std::unique_ptr<Method> make_method(const std::string& name, const Given& given = {}) {
  return make_component(builtin_registries().methods, name, given);
}

/// Without initial weights: see initialize().
inline std::unique_ptr<Network> make_network(const std::string& name, const InputSpec& input,
                                             const Given& given = {}) {
  return make_component(builtin_registries().networks, name, given, input);
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

/// A layer of which methods see no more than what it is called.
struct NamedLayer final : Layer {
  std::string called = "fc2";
  const std::string& name() const override { return called; }
  std::string_view kind() const override { return "linear"; }
  Variable forward(Forward&, const Variable& x) const override { return x; }
};

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

/// The numbers that codes stand for.
inline std::vector<float> decoded(const Coded& coded) {
  std::vector<float> all(coded.codes.size());
  coded.decode(all);
  return all;
}

/// The values of one metric, by its name, among those of all that are declared.
inline std::vector<double> metric(const std::vector<MetricDeclaration>& declared,
                                  const std::vector<double>& values, const std::string& name) {
  auto at = values.begin();
  for (const MetricDeclaration& m : declared) {
    const auto end = at + static_cast<std::ptrdiff_t>(m.width());
    if (m.name == name) return {at, end};
    at = end;
  }
  FAIL("no metric " << name);
  return {};
}

/// The configuration error that `action` ends with; "" where it does not.
inline std::string refusal_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    CHECK(error.status() == ExitStatus::config);
    return error.what();
  }
  return "";
}

}  // namespace bitwright::test
