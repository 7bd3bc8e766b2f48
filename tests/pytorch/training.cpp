// Training steps of a network, and updates of an optimizer alone.
#include <algorithm>

#include <fmt/format.h>

#include <bitwright/core/error.h>

#include "builtin_registries.h"
#include "exchange.h"
#include "experiment/config.h"
#include "kernels/convolution_rule.h"
#include "train/training_step.h"

namespace bitwright::exchange {
namespace {

using test::builtin_registries;

/// The component that a JSON object {"name": ..., options} describes; JSON is YAML.
Settings settings_of(const char* key, const char* registry, const json& component) {
  const Options options = Options{}.component(key, registry, "", "what is compared");
  return parse_config(json{{key, component}}.dump(), "request.json", {}, options,
                      builtin_registries())
      .section(key);
}

// A network with its step, on weights and batches of the request.
class Training {
 public:
  explicit Training(const Request& request) : request_(request) {
    const json& r = request.description();
    const auto extents = r.at("images").get<std::vector<std::int64_t>>();  // N, C, H, W
    const InputSpec input{extents[1], extents[2], extents[3], r.at("classes")};
    network_ = builtin_registries().networks.make(
        settings_of("network", "networks", r.at("network")), input);
    initialize(*network_, 1);
    take_over_weights();
    methods_ = std::make_unique<MethodStack>(std::vector<std::unique_ptr<Method>>{},
                                             StageInfo{"test", 1, 1, 1, true, network_.get()});
    optimizer_ = builtin_registries().optimizers.make(
        settings_of("optimizer", "optimizers", r.at("optimizer")));
    step_ = std::make_unique<TrainingStep>(
        *network_, *methods_, *optimizer_,
        BatchShape{extents[0], extents[1], extents[2], extents[3], extents[0]},
        r.at("precision") == "bf16" ? DType::bf16 : DType::f32);
  }

  double update(std::int64_t number) {
    const Tensor images =
        request_.array(fmt::format("images.{}", number), DType::f32, Layout::channels_last);
    const Tensor labels = request_.array(fmt::format("labels.{}", number), DType::i32);
    std::copy_n(images.f32(), images.numel(), step_->images());
    std::copy_n(labels.i32(), labels.numel(), step_->labels());
    return step_->update({number, 0, optimizer_->learning_rate()});
  }

  void put_gradients(Answer& answer) const {
    answer.put("logits", step_->logits());
    const std::vector<Optimized> optimized = methods_->optimized();
    for (std::size_t i = 0; i < optimized.size(); ++i)
      answer.put(fmt::format("gradient.{}", i), optimized[i].gradient);
  }
  void put_state(Answer& answer) {
    std::size_t i = 0;
    for (const Parameter& p : network_->parameters())
      answer.put(fmt::format("parameter.{}", i++), p.value);
    i = 0;
    for (const Buffer& b : network_->buffers()) answer.put(fmt::format("buffer.{}", i++), b.value);
  }

 private:
  // By position: PyTorch's networks list their parameters in the same order.
  void take_over_weights() {
    std::size_t i = 0;
    for (Parameter& p : network_->parameters()) {
      Tensor weights = request_.array(fmt::format("parameter.{}", i++));
      require(weights.shape() == p.value.shape(), "another shape than that of " + p.name);
      p.value.copy_from(weights);
    }
    require(i == request_.description().at("parameters"), "another number of parameters");
  }

  const Request& request_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<MethodStack> methods_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<TrainingStep> step_;
};

}  // namespace

// Losses of all steps; logits, gradients, and parameters and buffers afterwards, of the first one.
void train(const Request& request, Answer& answer) {
  Training training(request);
  std::vector<double> losses;
  for (std::int64_t step = 0; step < request.description().at("steps"); ++step) {
    losses.push_back(training.update(step));
    if (step > 0) continue;
    training.put_gradients(answer);
    training.put_state(answer);
  }
  answer.put("losses", losses);
}

// Every optimizer of the request moves the values by the same gradients; value.NAME.STEP.
void update(const Request& request, Answer& answer) {
  const json& r = request.description();
  for (const auto& [name, optimizer] : r.at("optimizers").items()) {
    const auto made =
        builtin_registries().optimizers.make(settings_of("optimizer", "optimizers", optimizer));
    const Tensor value = request.array("value");
    Tensor gradient = Tensor::zeros(value.shape());
    made->attach({{"x", value, gradient, "x", "linear_weight"}});
    for (int step = 0; step < r.at("steps"); ++step) {
      request.read(fmt::format("gradient.{}", step), gradient);
      made->step(made->learning_rate());
      answer.put(fmt::format("{}.{}", name, step), value);
    }
  }
}

}  // namespace bitwright::exchange
