// The watchdog's detectors: each finds its fault, names it, and stays quiet about what is healthy.
#include "train/watchdog.h"

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/tensor/memory_state.h>

#include "small_net.h"
#include "trainer_fixture.h"

using namespace bitwright;
using testing::Recorder;
using testing::SmallStage;
using testing::StageOptions;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

// Looks every 10 of 100 steps, and stops at everything.
WatchdogOptions strict() {
  return {.every = 10, .zero_scale = Reaction::stop, .zero_layer = Reaction::stop};
}

// A traced step of a small network under a watchdog of its own.
struct Watched {
  explicit Watched(const WatchdogOptions& options = strict(), testing::MethodChoice methods = {})
      : stage({.methods = std::move(methods)}),
        step(*stage.network, *stage.methods, *stage.optimizer, stage.loader->shape()),
        dog(*stage.network, *stage.methods, options, 100, 4) {
    step.guard(&dog);
    dog.tell([this](const Warning& warning) { warnings.push_back(warning.what); });
  }
  Parameter& parameter(const std::string& name) {
    for (Parameter& p : stage.network->parameters())
      if (p.name == name) return p;
    throw std::out_of_range(name);
  }
  Optimized optimized(const std::string& name) {
    for (const Optimized& o : stage.methods->optimized())
      if (o.name == name) return o;
    throw std::out_of_range(name);
  }

  SmallStage stage;
  TrainingStep step;
  Watchdog dog;
  std::vector<std::string> warnings;
};

// The step of the stage, from 1.
StepInfo at(std::int64_t step) { return {step - 1, 0, 0.1}; }

// What is raised; "" when nothing is.
template <class Action>
std::string raised(Action&& action, Fault fault) {
  try {
    action();
  } catch (const Diverged& diverged) {
    CHECK(diverged.fault == fault);
    CHECK(diverged.reaction == Reaction::stop);
    return diverged.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a loss that is not finite is found in every step, with the weight that is to blame") {
  Watched w;
  CHECK(w.dog.loss_is_healthy(at(3), 1e30));
  CHECK(raised([&] { w.dog.loss_is_healthy(at(3), kNaN); }, Fault::non_finite) ==
        "the loss is nan at step 3");
  w.parameter("fc2.weight").value.values()[5] = kInf;
  CHECK(raised([&] { w.dog.loss_is_healthy(at(3), kNaN); }, Fault::non_finite) ==
        "the loss is nan at step 3: Inf in weight 'fc2.weight', layer 'fc2'");
}

TEST_CASE("a gradient that is not finite is found when a look is due, before the update") {
  Watched w;
  w.stage.loader->next(w.step.images(), w.step.labels());
  w.step.update(at(1));
  w.optimized("fc1.bias").gradient.values()[2] = kInf;
  CHECK(w.dog.gradients_are_healthy(at(9)));
  for (const std::int64_t due : {10, 100})
    CHECK(raised([&] { w.dog.gradients_are_healthy(at(due)); }, Fault::non_finite) ==
          "Inf at step " + std::to_string(due) + ": gradient of weight 'fc1.bias', layer 'fc1'");
  CHECK(raised([&] { w.dog.gradient_norm_is_healthy(at(4), kNaN); }, Fault::non_finite) ==
        "the norm of the gradients is nan at step 4: Inf in gradient of weight 'fc1.bias', layer "
        "'fc1'");
}

TEST_CASE("a weight that is not finite is found when a look is due") {
  Watched w;
  CHECK(raised([&] { w.dog.after_update(at(10), 1); }, Fault::non_finite) == "");
  w.parameter("fc1.weight").value.values()[0] = static_cast<float>(kNaN);
  CHECK(raised([&] { w.dog.after_update(at(11), 1); }, Fault::non_finite) == "");
  CHECK(raised([&] { w.dog.after_update(at(20), 1); }, Fault::non_finite) ==
        "NaN after the update of step 20: weight 'fc1.weight', layer 'fc1'");
  CHECK_FALSE(state_is_finite(*w.stage.network, *w.stage.methods));
}

TEST_CASE("divergence: the running mean far above its lowest, or above guessing") {
  const auto first_alarm = [](const std::vector<double>& losses) {
    Watched w;
    for (std::size_t i = 0; i < losses.size(); ++i) {
      const StepInfo now{static_cast<std::int64_t>(i), 0, 0.1};
      if (!raised([&] { w.dog.after_update(now, losses[i]); }, Fault::divergence).empty())
        return static_cast<int>(i);
    }
    return -1;
  };
  const std::vector<double> good(60, 0.01);
  const auto then = [](std::vector<double> losses, std::size_t count, double value) {
    losses.insert(losses.end(), count, value);
    return losses;
  };
  CHECK(first_alarm(good) == -1);
  CHECK(first_alarm(then(good, 39, 13)) == -1);  // below 10 ln 4 = 13.9, however long
  CHECK(first_alarm(then(good, 1, 300)) == -1);  // one odd batch
  CHECK(first_alarm(then(good, 39, 40)) > 60);   // some dozens of them
  CHECK(first_alarm(then(good, 1, 1e6)) == 60);
  CHECK(first_alarm(std::vector<double>(60, 500)) == -1);  // as it began
  CHECK(first_alarm(then(std::vector<double>(60, 500), 30, 20000)) > 60);
}

TEST_CASE("a trained step that has fallen to its bound is found, of weights and of activations") {
  Watched w(strict(), {{"lsq", {}}});
  w.stage.loader->next(w.step.images(), w.step.labels());
  w.step.update(at(1));  // the first batch sets the steps of activations
  CHECK(raised([&] { w.dog.after_update(at(10), 1); }, Fault::zero_scale) == "");
  Tensor weight_step = w.optimized("fc1.weight:1").value;
  const float before = weight_step.item();
  weight_step.fill(1e-6f);
  CHECK(raised([&] { w.dog.after_update(at(11), 1); }, Fault::zero_scale) == "");
  CHECK(raised([&] { w.dog.after_update(at(20), 1); }, Fault::zero_scale) ==
        "scale 'fc1.weight:1' of a quantizer, layer 'fc1', has collapsed after step 20: element 0 "
        "is 1e-06");
  weight_step.fill(before);
  w.optimized("lsq.fc2.step").value.fill(0);
  CHECK(raised([&] { w.dog.after_update(at(30), 1); }, Fault::zero_scale) ==
        "scale 'lsq.fc2.step' of a quantizer, layer 'fc2', has collapsed after step 30: element 0 "
        "is 0");
}

TEST_CASE("a layer whose weights are all zero is found, as trained and as deployed") {
  Watched w;
  Parameter& weight = w.parameter("fc2.weight");
  Tensor zero = Tensor::zeros(weight.value.shape());
  Tensor but_one = zero.clone();
  but_one.values().back() = 1e-30f;
  const Parameter& bias = w.parameter("fc1.bias");
  const auto deployed = [&](const Parameter& p, const Tensor& value) {
    return raised([&] { w.dog.after_deployment(7, {{&p, value}}); }, Fault::zero_layer);
  };
  CHECK(deployed(weight, but_one) == "");
  CHECK(deployed(bias, Tensor::zeros(bias.value.shape())) == "");
  CHECK(deployed(weight, zero) ==
        "all deployed values of weight 'fc2.weight', layer 'fc2', are 0 after step 7");
  weight.value.fill(0);
  CHECK(raised([&] { w.dog.after_update(at(9), 1); }, Fault::zero_layer) == "");
  CHECK(raised([&] { w.dog.after_update(at(10), 1); }, Fault::zero_layer) ==
        "all trained values of weight 'fc2.weight', layer 'fc2', are 0 after step 10");
}

TEST_CASE("going on: said once for each tensor, also after a resume, and no update with NaN") {
  WatchdogOptions options{.every = 1, .non_finite = Reaction::go_on, .divergence = Reaction::go_on};
  Watched w(options), resumed(options);
  w.parameter("fc2.weight").value.fill(static_cast<float>(kNaN));
  w.stage.loader->next(w.step.images(), w.step.labels());
  const Tensor before = w.parameter("fc1.weight").value.clone();
  for (std::int64_t i = 1; i <= 3; ++i) {
    CHECK(std::isnan(w.step.update(at(i))));
    w.dog.after_update(at(i), w.step.data_loss());
  }
  CHECK(testing::same_bits(w.parameter("fc1.weight").value, before));
  CHECK(w.warnings == std::vector<std::string>{
                          "the loss is nan at step 1: NaN in weight 'fc2.weight', layer 'fc2'",
                          "NaN after the update of step 1: weight 'fc2.weight', layer 'fc2'"});
  MemoryState state;
  state.save([&](StateVisitor& v) { w.dog.visit(v); });
  state.load([&](StateVisitor& v) { resumed.dog.visit(v); });
  CHECK_FALSE(resumed.dog.loss_is_healthy(at(4), kNaN));
  CHECK(resumed.warnings.empty());
}

TEST_CASE("the trainer raises what the watchdog finds, and scales the learning rate") {
  StageOptions options;
  options.settings = {{"learning_rate", 1e4}};
  SmallStage stage(options);
  Recorder recorder;
  CHECK_THROWS_AS(stage.trainer->run(recorder), Diverged);
  SmallStage slower(options);
  slower.trainer->scale_learning_rate(1e-5);
  Recorder all;
  CHECK(slower.trainer->run(all));
  CHECK(all.steps.front().learning_rate == 1e4 * 1e-5);
}

TEST_CASE("the trainer looks at deployed weights with each validation") {
  StageOptions options;
  options.settings = {{"learning_rate", 1e-60}};
  options.trainer.watchdog.zero_layer = Reaction::stop;
  SmallStage stage(options);
  for (Parameter& p : stage.network->parameters())
    if (p.name == "fc1.weight") p.value.fill(0);
  Recorder recorder;
  CHECK(raised([&] { stage.trainer->run(recorder); }, Fault::zero_layer)
            .starts_with("all deployed values of weight 'fc1.weight', layer 'fc1', are 0 after"));
}
