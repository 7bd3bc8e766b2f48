// NaN and Inf are named where they first appear: in an op's output, in a gradient, in a weight.
#include "train/numerics_check.h"

#include <array>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "kernels/finite.h"
#include "method_fixture.h"
#include "small_net.h"
#include "train/training_step.h"

using namespace bitwright;
using testing::ThreadsScope;

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

enum class Target { none, activation, gradient, weight, statistic };

// What goes wrong, where, and at which step from 0.
struct Fault {
  Target target = Target::none;
  std::string place;  // a layer; a parameter; a buffer
  float value = kNaN;
  std::int64_t at = 0;
  bool due = false;
};

// The identity, until the fault is due.
class Poison final : public Op {
 public:
  explicit Poison(const Fault& fault) : fault_(fault) {}
  std::string_view name() const override { return "poison"; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override { return {in[0]}; }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    out[0].copy_from(in[0]);
    if (fault_.due && fault_.target == Target::activation) last(out[0]) = fault_.value;
  }
  void backward(const BackwardArgs& a) override {
    a.input_gradients[0].copy_from(a.output_gradients[0]);
    if (fault_.due && fault_.target == Target::gradient) last(a.input_gradients[0]) = fault_.value;
  }

 private:
  static float& last(Tensor& t) { return t.values().back(); }
  const Fault& fault_;
};

// Puts the fault into a network as a method would.
class Saboteur final : public Method {
 public:
  explicit Saboteur(Fault& fault) : fault_(fault) {}
  std::string_view name() const override { return "saboteur"; }
  void attach(const StageInfo& stage) override { network_ = stage.network; }
  Variable layer_output(Forward& forward, const Layer& layer, const Variable& y) override {
    if (layer.name() != fault_.place) return y;
    return forward.tape.record(std::make_unique<Poison>(fault_), std::array{y});
  }
  void before_step(const StepInfo& info) override { fault_.due = info.step == fault_.at; }
  void after_update(const StepInfo&) override {
    if (!fault_.due) return;
    for (Parameter& p : network_->parameters())
      if (fault_.target == Target::weight && p.name == fault_.place)
        p.value.values().back() = fault_.value;
    for (Buffer& b : network_->buffers())
      if (fault_.target == Target::statistic && b.name == fault_.place)
        b.value.values().back() = fault_.value;
  }

 private:
  Fault& fault_;
  Network* network_ = nullptr;
};

std::unique_ptr<Network> small_network() {
  NetworkBuilder b(InputSpec{1, 6, 6, 3});
  b.conv2d("conv1", 4, 3).batch_norm("bn1").relu();
  b.flatten().linear("fc1", 8).relu().linear("fc2", 3);
  return b.build();
}

// Four steps under the eyes of the check; what it says, "" when all is well.
std::string outcome(Fault fault, int team = 1, const std::function<void(Network&)>& prepare = {}) {
  const ThreadsScope threads(team);
  const auto network = small_network();
  initialize(*network, 1);
  if (prepare) prepare(*network);
  std::vector<std::unique_ptr<Method>> methods;
  methods.push_back(std::make_unique<Saboteur>(fault));
  const StageInfo stage{"s", 1, 4, 4, true, network.get()};
  MethodStack stack(std::move(methods), stage);
  const auto optimizer =
      test::make_component(test::builtin_registries().optimizers, "sgd", {{"learning_rate", 0.01}});
  TrainingStep step(*network, stack, *optimizer, {4, 1, 6, 6, 4});
  for (int i = 0; i < 4 * 36; ++i) step.images()[i] = static_cast<float>(i % 7) - 3;
  NumericsCheck check(*network, stack);
  step.observe(&check);
  try {
    for (std::int64_t i = 0; i < 4; ++i) {
      const StepInfo info{i, 0, 0.01};
      check.step_begins(info);
      step.update(info);
      check.step_ends();
    }
  } catch (const Diverged& diverged) {
    CHECK(diverged.step == fault.at + 1);
    return diverged.what();
  }
  return "";
}

}  // namespace

TEST_CASE("values that are not finite are found wherever they stand") {
  for (const int team : {1, 2}) {
    const ThreadsScope threads(team);
    for (const std::int64_t n : {1, 63, 200001}) {
      std::vector<float> x(static_cast<std::size_t>(n), std::numeric_limits<float>::max());
      std::vector<bfloat16> y(x.size(), bfloat16(-3e38f));
      CHECK(kernels::check_finite(n, x.data()) == kernels::Finite::all);
      CHECK(kernels::check_finite(n, y.data()) == kernels::Finite::all);
      for (const std::size_t at : {std::size_t{0}, x.size() / 2, x.size() - 1}) {
        const float x_was = x[at];
        const bfloat16 y_was = y[at];
        for (const float value : {kNaN, -kNaN, kInf, -kInf}) {
          const auto expected = value != value ? kernels::Finite::nan : kernels::Finite::inf;
          x[at] = value;
          y[at] = bfloat16(value);
          CHECK(kernels::check_finite(n, x.data()) == expected);
          CHECK(kernels::check_finite(n, y.data()) == expected);
        }
        x[at] = x_was;
        y[at] = y_was;
      }
    }
  }
  CHECK(kernels::check_finite(0, static_cast<const float*>(nullptr)) == kernels::Finite::all);
}

TEST_CASE("healthy training passes") { CHECK(outcome({}) == ""); }

TEST_CASE("the first NaN or Inf is named with step, tensor, op and layer") {
  CHECK(outcome({Target::activation, "fc1", kNaN, 2}) ==
        "NaN at step 3: activation, output of op 'poison', layer 'fc1'");
  CHECK(outcome({Target::activation, "conv1", kInf, 0}, 2) ==
        "Inf at step 1: activation, output of op 'poison', layer 'conv1'");
  CHECK(outcome({Target::gradient, "bn1", kNaN, 1}) ==
        "NaN at step 2: gradient of the input of op 'poison', layer 'bn1'");
  CHECK(outcome({Target::weight, "fc2.weight", -kInf, 3}) ==
        "Inf after the update of step 4: weight 'fc2.weight', layer 'fc2'");
  CHECK(outcome({Target::statistic, "bn1.running_mean", kNaN, 0}) ==
        "NaN after the update of step 1: statistic 'bn1.running_mean', layer 'bn1'");
}

TEST_CASE("a gradient that overflows in a weight is named after the weight") {
  // fc2's input is about 100, the gradient of its output nearly the largest float.
  const auto prepare = [](Network& network) {
    for (Parameter& p : network.parameters()) {
      if (p.name == "fc2.weight") p.value.fill(0);
      if (p.name == "fc1.bias") p.value.fill(100);
    }
  };
  CHECK(outcome({Target::gradient, "fc2", 3e38f, 1}, 1, prepare) ==
        "Inf at step 2: gradient of weight 'fc2.weight', from op 'linear', layer 'fc2'");
}

TEST_CASE("weights that are wrong before training are named, too") {
  const auto prepare = [](Network& network) {
    for (Parameter& p : network.parameters())
      if (p.name == "conv1.bias") p.value.fill(kNaN);
  };
  CHECK(outcome({}, 1, prepare) == "NaN before step 1: weight 'conv1.bias', layer 'conv1'");
}
