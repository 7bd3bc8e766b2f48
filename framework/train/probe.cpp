#include "train/probe.h"

#include <utility>

#include <fmt/format.h>

#include "train/method_stack.h"

namespace bitwright {
namespace {

std::vector<float> list(const Tensor& tensor) {
  if (!tensor.defined()) return {};
  return {tensor.values().begin(), tensor.values().end()};
}

// first -> relu -> probe (K -> 1) -> last, on images of one pixel.
class ProbeNetwork {
 public:
  ProbeNetwork(std::unique_ptr<Method> method, std::int64_t k) {
    NetworkBuilder b(InputSpec{1, 1, 1, 2});
    b.conv2d("first", k, 1).relu("relu").conv2d("probe", 1, 1, {}, false);
    network_ = b.global_avg_pool().linear("last", 2).build();
    initialize(*network_, 1);
    methods_.push_back(std::move(method));
  }

  Network& network() { return *network_; }
  Parameter& weight() {
    for (Parameter& p : network_->parameters())
      if (p.name == "probe.weight") return p;
    throw std::logic_error("the network to probe has a probe");
  }
  /// After the weight has its values: transforms start from them.
  MethodStack stack() {
    const StageInfo info{"probe", 1, 1, 1, false, network_.get()};
    return MethodStack(std::move(methods_), info);
  }

 private:
  std::unique_ptr<Network> network_;
  std::vector<std::unique_ptr<Method>> methods_;
};

// Puts the numbers in the place of what the ReLU gives, and catches what the convolution gets.
class AtProbe final : public ForwardHooks {
 public:
  AtProbe(MethodStack& methods, Tensor numbers) : methods_(methods), numbers_(std::move(numbers)) {}
  Variable parameter(Forward& forward, const Parameter& parameter) override {
    return forward.tape.constant(parameter.value);
  }
  Variable trained(Forward& forward, const Tensor& value) override {
    return forward.deployed ? forward.tape.constant(value) : methods_.trained(forward, value);
  }
  Variable layer_output(Forward& forward, const Layer& layer, const Variable& y) override {
    if (layer.name() != "relu") return y;
    x = forward.tape.parameter(numbers_);
    before_ = forward.tape.size();
    return methods_.layer_output(forward, layer, x);
  }
  Variable layer_input(Forward& forward, const Layer& layer, const Variable& input) override {
    if (layer.name() != "probe") return input;
    seen = methods_.layer_input(forward, layer, input);
    acted = forward.tape.size() > before_;
    return seen;
  }

  Variable x, seen;
  bool acted = false;  ///< the method put something between the two

 private:
  MethodStack& methods_;
  Tensor numbers_;
  std::size_t before_ = 0;
};

// The gradients where dL/dy is `dy`.
void backward_from(const Variable& y, const Tensor& dy) {
  Tape& tape = y.tape();
  tape.backward(sum(multiply(y, tape.constant(dy))));
}

Tensor shaped(std::span<const float> numbers, const TensorSpec& spec) {
  Tensor t = Tensor::empty(spec);
  std::copy(numbers.begin(), numbers.end(), t.values().begin());
  return t;
}

Error nothing_to_see(const std::string& name, std::string_view what, std::string_view remedy) {
  return config_error(Place{"command line"},
                      fmt::format("with these options '{}' quantizes no {}", name, what),
                      "a method and options that do", remedy);
}

}  // namespace

Probed probe_weight(std::unique_ptr<Method> method, std::span<const float> values,
                    std::span<const float> gradient) {
  const std::string name(method->name());
  ProbeNetwork probe(std::move(method), static_cast<std::int64_t>(values.size()));
  Parameter& weight = probe.weight();
  std::copy(values.begin(), values.end(), weight.value.values().begin());
  MethodStack stack = probe.stack();

  Tape tape;
  Forward forward(tape, true, stack);
  const Variable seen = forward.parameter(&weight);
  backward_from(seen, shaped(gradient, weight.value.spec()));

  Probed probed{.values = list(seen.value()),
                .deployed = {},
                .coded = stack.coded(weight),
                .gradient = {},
                .trained = {}};
  bool transformed = false;
  for (const Optimized& o : stack.optimized()) {
    if (o.parameter != weight.name) continue;
    transformed = transformed || o.name != weight.name;
    probed.trained.push_back({o.name, list(o.value), list(o.gradient)});
    if (probed.gradient.empty() && o.value.shape() == weight.value.shape())
      probed.gradient = list(o.gradient);
  }
  if (!transformed) throw nothing_to_see(name, "weights", "see --activations");
  Tensor deployed = Tensor::zeros(weight.value.shape());
  stack.write_deployed(weight, Deployment::hard, deployed);
  probed.deployed = list(deployed);
  return probed;
}

Probed probe_activation(std::unique_ptr<Method> method, std::span<const float> values,
                        std::span<const float> gradient) {
  const std::string name(method->name());
  const auto k = static_cast<std::int64_t>(values.size());
  ProbeNetwork probe(std::move(method), k);
  MethodStack stack = probe.stack();
  const TensorSpec image{Shape{1, k, 1, 1}, DType::f32, Layout::channels_last};
  const auto trace = [&](Tape& tape, bool training) {
    AtProbe at(stack, shaped(values, image));
    Forward forward(tape, training, at);
    const TensorSpec pixel{Shape{1, 1, 1, 1}, DType::f32, Layout::channels_last};
    Tensor input = Tensor::empty(pixel);
    input.fill(0);
    probe.network().forward(forward, tape.constant(input));
    return std::pair(at.x, at.acted ? at.seen : Variable());
  };

  Tape tape;
  const auto [x, seen] = trace(tape, true);
  if (!seen.defined()) throw nothing_to_see(name, "activations", "leave --activations out");
  backward_from(seen, shaped(gradient, image));
  Probed probed{.values = list(seen.value()),
                .deployed = {},
                .coded = {},
                .gradient = list(x.gradient()),
                .trained = {}};
  for (const Optimized& o : stack.optimized())
    if (o.gradient.defined()) probed.trained.push_back({o.name, list(o.value), list(o.gradient)});
  Tape evaluation;
  probed.deployed = list(trace(evaluation, false).second.value());
  return probed;
}

}  // namespace bitwright
