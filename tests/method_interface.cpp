// What the method interface promises beyond replacing a weight: tensors that a method trains, the
// variables of weights as they are traced, rules of update, series by layer, the end of a stage.
#include <utility>

#include <doctest/doctest.h>

#include "method_fixture.h"
#include "trainer_fixture.h"

namespace bitwright {
namespace {

using testing::Recorder;
using testing::SmallStage;

// Scales the output of fc2 by a tensor of its own, and pulls fc1.weight to zero.
class Probe final : public Method {
 public:
  explicit Probe(UpdateRule rule) : rule_(rule) { factor.fill(1); }
  std::string_view name() const override { return "probe"; }
  void attach(const StageInfo& stage) override { stage_ = stage; }
  std::vector<TrainedTensor> trained() override { return {{"factor", factor, rule_}}; }

  void weight_traced(Forward&, const Parameter& p, const Variable& master,
                     const Variable& effective) override {
    if (p.name == "fc1.weight") weight = master;
    same_variable = same_variable && &master.value() == &effective.value();
  }
  Variable layer_output(Forward& forward, const Layer& layer, const Variable& y) override {
    if (layer.name() != "fc2") return y;
    deployed_seen = forward.deployed;
    return multiply(y, forward.trained(factor));
  }
  std::vector<LossTerm> loss_terms(Forward&) override {
    term = scale(sum(square(weight)), 0.5);
    return {{"pull", term}};
  }
  void after_epoch(const StepInfo&) override { rewrite_ = true; }
  bool rewritten(const Parameter& p) override {
    return p.name == "fc1.weight" && std::exchange(rewrite_, false);
  }
  void finish(const StepInfo& now) override { finished_after = now.step; }

  std::vector<MetricDeclaration> metrics(const Network&) const override {
    return {{"pull", "nats", "the loss term", {}},
            {"size", "1", "of weights", {"fc1.weight", "fc2.weight"}}};
  }
  std::vector<double> measure() override {
    std::vector<double> values{static_cast<double>(term.value().item())};
    for (const Parameter& p : stage_.network->parameters())
      if (p.name.ends_with("weight")) values.push_back(static_cast<double>(p.value.numel()));
    return values;
  }

  Tensor factor = Tensor::empty(Shape({1}));
  Variable weight, term;
  bool same_variable = true, deployed_seen = false;
  std::int64_t finished_after = -1;

 private:
  UpdateRule rule_;
  StageInfo stage_;
  bool rewrite_ = false;
};

struct Probed {
  explicit Probed(UpdateRule rule, std::int64_t steps = 7) {
    StageInfo info{"s", 1, steps, 5, true, stage.network.get()};
    std::vector<std::unique_ptr<Method>> methods;
    methods.push_back(std::make_unique<Probe>(rule));
    probe = static_cast<Probe*>(methods.front().get());
    stack = std::make_unique<MethodStack>(std::move(methods), info);
    trainer =
        std::make_unique<Trainer>(*stage.network, *stack, *stage.optimizer, *stage.schedule,
                                  *stage.loader, *stage.validation, TrainerOptions{.steps = steps});
  }
  SmallStage stage{{}};
  Probe* probe = nullptr;
  std::unique_ptr<MethodStack> stack;
  std::unique_ptr<Trainer> trainer;
};

}  // namespace

TEST_CASE("a tensor of a method is trained, saved, and updated by its own rule") {
  Probed moving({}), held({.rate = 0, .decay = 0});
  Recorder recorder;
  moving.trainer->run(recorder);
  held.trainer->run(recorder);
  CHECK(moving.probe->factor.item() != 1);
  CHECK(held.probe->factor.item() == 1);
  CHECK(!moving.probe->deployed_seen);  // the training step was traced last

  MemoryState saved;
  saved.save([&](StateVisitor& v) { moving.trainer->visit(v); });
  Probed resumed({});
  saved.load([&](StateVisitor& v) { resumed.trainer->visit(v); });
  CHECK(resumed.probe->factor.item() == moving.probe->factor.item());
}

TEST_CASE("a method sees every weight, adds to the loss, and is told of the end") {
  Probed probed({});
  Recorder recorder;
  probed.trainer->run(recorder);
  CHECK(probed.probe->same_variable);
  CHECK(probed.probe->weight.gradient().defined());
  CHECK(probed.probe->finished_after == 6);
  // The term belongs to the step before the update, whose loss holds it too.
  CHECK(probed.probe->term.value().item() > 0);
  CHECK(recorder.steps.back().train_loss > static_cast<double>(probed.probe->term.value().item()));
}

TEST_CASE("series by layer come back as many values as layers") {
  Probed probed({});
  Recorder recorder;
  probed.trainer->run(recorder);
  REQUIRE(recorder.evaluations.back().metrics.size() == 3);
  CHECK(recorder.evaluations.back().metrics[1] > 0);
  CHECK(recorder.evaluations.back().metrics[2] > 0);
}

TEST_CASE("stored numbers decode by scale and offset of their channel, or by the code book") {
  std::vector<float> out(4);
  Coded{.bits = 2, .codes = {0, 1, 2, 3}, .scale = {0.5f, 2.0f}, .offset = {-1, 0}}.decode(out);
  CHECK(out == std::vector<float>{-1, -0.5f, 4, 6});
  Coded{.bits = 1, .codes = {0, 1, 1, 0}, .scale = {}, .book = {-1, 1}}.decode(out);
  CHECK(out == std::vector<float>{-1, 1, 1, -1});
  CHECK(Coded{.bits = 2, .codes = {0, 1, 2, 3}, .scale = {1}}.stored_bits() == 8 + 32);
  CHECK_THROWS_AS(Coded({.bits = 2, .codes = {0}, .scale = {}}).decode(out), std::logic_error);
}

}  // namespace bitwright
