// The method in the real training loop, on a few hundred embedded digits: what holds after every
// step and at every adjustment, and that a resumed run goes on bit for bit.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/data/loader.h>
#include <bitwright/data/normalization.h>
#include <bitwright/data/split.h>
#include <bitwright/experiment/builtin.h>
#include <bitwright/tensor/memory_state.h>

#include "method_fixture.h"
#include "train/trainer.h"

using namespace bitwright;
using namespace bitwright::test;

namespace {

constexpr std::int64_t kEpoch = 20;  // steps

const Registries& registries() {
  static const Registries* const all = [] {
    auto* r = new Registries;
    register_builtin_components(*r);
    return r;
  }();
  return *all;
}

// LeNet-300 of a fifth of the width, trained in float for five epochs, then with the method.
struct Training {
  Training(const Given& given, std::int64_t epochs) {
    const Given size{{"train_images", std::int64_t{1300}}, {"test_images", std::int64_t{10}}};
    images = registries()
                 .datasets.make(settings_for(registries().datasets, "glyphs", size), {})
                 ->train();
    const Split split = split_last(images.count(), 300);
    const Normalization normalization = unit_normalization(1);
    network = registries().networks.make(
        settings_for(registries().networks, "lenet300", {{"width", 0.2}}), {1, 28, 28, 10});
    initialize(*network, 1);
    schedule = registries().schedules.make(settings_for(registries().schedules, "constant"));
    loader = std::make_unique<BatchLoader>(images, split.train, 50, 1, normalization);
    REQUIRE(loader->batches_per_epoch() == kEpoch);
    const auto evaluate_and_update = [&] {
      validation = std::make_unique<Evaluator>(
          *network, *methods,
          std::make_unique<EvaluationLoader>(images, split.validation, 100, normalization));
      optimizer = registries().optimizers.make(
          settings_for(registries().optimizers, "sgd",
                       {{"learning_rate", 0.1}, {"momentum", 0.9}, {"weight_decay", 1e-4}}));
    };
    StageInfo stage = stage_of(*network, false);
    methods = std::make_unique<MethodStack>(std::vector<std::unique_ptr<Method>>{}, stage);
    evaluate_and_update();
    TrainingObserver nobody;
    Trainer(*network, *methods, *optimizer, *schedule, *loader, *validation,
            TrainerOptions{5 * kEpoch, kEpoch})
        .run(nobody);

    stage.steps = epochs * kEpoch;
    stage.steps_per_epoch = kEpoch;
    std::vector<std::unique_ptr<Method>> list;
    list.push_back(registries().methods.make(settings_for(registries().methods, "bsq", given)));
    bsq = list.back().get();
    methods = std::make_unique<MethodStack>(std::move(list), stage);
    evaluate_and_update();
    trainer = std::make_unique<Trainer>(*network, *methods, *optimizer, *schedule, *loader,
                                        *validation, TrainerOptions{stage.steps, 10});
  }

  VisitState state() {
    return [this](StateVisitor& v) { trainer->visit(v); };
  }

  std::vector<double> metric(const std::string& name) const {
    const auto values = bsq->measure();
    std::size_t at = 0;
    for (const MetricDeclaration& m : bsq->metrics(*network)) {
      if (m.name == name) {
        const auto first = values.begin() + static_cast<std::ptrdiff_t>(at);
        return {first, first + static_cast<std::ptrdiff_t>(m.width())};
      }
      at += m.width();
    }
    return {};
  }

  // P and M of every quantized tensor.
  std::vector<std::pair<Tensor, Tensor>> planes() const {
    std::vector<std::pair<Tensor, Tensor>> all;
    for (const Optimized& o : methods->untraced()) {
      if (o.name.ends_with(":0")) all.push_back({o.value, {}});
      if (o.name.ends_with(":1")) all.back().second = o.value;
    }
    return all;
  }

  ImageSet images;
  std::unique_ptr<Network> network;
  std::unique_ptr<BatchLoader> loader;
  std::unique_ptr<MethodStack> methods;
  Method* bsq = nullptr;
  std::unique_ptr<Evaluator> validation;
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<Schedule> schedule;
  std::unique_ptr<Trainer> trainer;
};

const Given kStrong{{"alpha", 0.3}, {"interval", std::int64_t{2}}};

bool is_adjustment(std::int64_t step) { return step % (2 * kEpoch) == 0; }

// Looks at the planes after every step, as the next step will find them.
class Invariants final : public TrainingObserver {
 public:
  explicit Invariants(Training& training) : training_(training) {
    bits_ = training_.metric("trained_bits");
  }
  void on_step(const StepRecord& r) override {  // updated, not yet adjusted
    std::int64_t outside = 0;
    for (const auto& [p, m] : training_.planes())
      for (const Tensor& plane : {p, m})
        for (const float x : plane.values()) outside += !(x >= 0 && x <= 2);
    CHECK(outside == 0);
    CHECK(training_.metric("trained_bits") == bits_);
    if (is_adjustment(r.step)) {
      hard_ = training_.validation->run(Deployment::hard);
      deployed_bits_ = training_.metric("bits");
    }
  }
  bool on_step_complete(std::int64_t done) override {
    const auto bits = training_.metric("trained_bits");
    if (!is_adjustment(done)) {
      CHECK(bits == bits_);
      return false;
    }
    std::int64_t fractions = 0, both = 0;
    for (const auto& [p, m] : training_.planes())
      for (std::int64_t i = 0; i < p.numel(); ++i) {
        const float a = p.f32()[i], b = m.f32()[i];
        fractions += (a != 0 && a != 1) || (b != 0 && b != 1);
        both += a * b != 0;
      }
    CHECK(fractions == 0);
    CHECK(both == 0);
    CHECK(bits == deployed_bits_);
    const Evaluation now = training_.validation->run(Deployment::hard);
    CHECK(now.loss == hard_.loss);  // an adjustment changes no deployed weight
    CHECK(now.accuracy == hard_.accuracy);
    CHECK(training_.validation->run(Deployment::soft).loss == hard_.loss);
    for (const double velocity : velocities()) CHECK(velocity == 0);
    bits_ = bits;
    ++adjustments;
    return false;
  }

  int adjustments = 0;

 private:
  // Of the optimizer, largest magnitudes.
  std::vector<double> velocities() {
    class Largest final : public StateVisitor {
     public:
      std::vector<double> all;
      void tensor(std::string_view, Tensor& t) override {
        double most = 0;
        for (const float x : t.values()) most = std::max(most, std::abs(static_cast<double>(x)));
        all.push_back(most);
      }
      void integer(std::string_view, std::int64_t&) override {}
      void real(std::string_view, double&) override {}
      void text(std::string_view, std::string&) override {}
      void enter(std::string_view) override {}
      void leave() override {}
    } largest;
    training_.optimizer->visit(largest);
    return largest.all;
  }

  Training& training_;
  std::vector<double> bits_, deployed_bits_;
  Evaluation hard_;
};

struct StopAt final : TrainingObserver {
  explicit StopAt(std::int64_t step) : step(step) {}
  bool on_step_complete(std::int64_t done) override { return done == step; }
  std::int64_t step;
};

}  // namespace

TEST_CASE(
    "planes stay in [0, 2]; adjustments re-quantize, restart, and change no deployed weight") {
  Training training(kStrong, 4);
  Invariants observer(training);
  CHECK(training.trainer->run(observer));
  CHECK(observer.adjustments == 2);  // after epochs 2 and 4, the second one also as the end
  CHECK(training.trainer->selected_accuracy() > 0.3);
}

TEST_CASE("the lasso takes bits: more of them with a larger alpha, none without it") {
  std::vector<double> bits, lasso;
  for (const double alpha : {0.0, 0.3, 3.0}) {
    Training training({{"alpha", alpha}, {"interval", std::int64_t{2}}}, 4);
    TrainingObserver nobody;
    training.trainer->run(nobody);
    bits.push_back(training.metric("bits_per_parameter").front());
    double sum = 0;
    for (const double b : training.metric("lasso")) sum += b;
    lasso.push_back(sum);
    CHECK(training.metric("compression").front() == doctest::Approx(32 / bits.back()));
  }
  CHECK(bits[0] > 7);
  CHECK(bits[1] < bits[0]);
  CHECK(bits[2] < bits[1]);
  CHECK(lasso[2] < lasso[0]);
}

TEST_CASE("a resumed run goes on bit for bit, before and after a re-quantization") {
  TrainingObserver nobody;
  const Given given{{"alpha", 1.0},
                    {"interval", std::int64_t{1}},
                    {"activation_bits", std::int64_t{2}},
                    {"activation_range", "ema"}};
  Training whole(given, 3);
  whole.trainer->run(nobody);
  MemoryState expected;
  expected.save(whole.state());
  for (const std::int64_t step : {kEpoch - 3, kEpoch, kEpoch + 1, 2 * kEpoch + 7}) {
    CAPTURE(step);
    Training first(given, 3);
    StopAt stop(step);
    CHECK_FALSE(first.trainer->run(stop));
    MemoryState saved;
    saved.save(first.state());
    Training second(given, 3);
    for (Parameter& p : second.network->parameters()) p.value.fill(0.125f);
    saved.load(second.state());
    second.trainer->run(nobody);
    MemoryState reached;
    reached.save(second.state());
    CHECK(reached.first_difference(expected) == "");
  }
}

TEST_CASE("evaluation leaves no trace") {
  Training training(kStrong, 1);
  TrainingObserver nobody;
  training.trainer->run(nobody);
  MemoryState before, after;
  before.save(training.state());
  const Evaluation hard = training.validation->run(Deployment::hard);
  training.validation->run(Deployment::soft);
  training.bsq->measure();
  CHECK(training.validation->run(Deployment::hard).loss == hard.loss);
  after.save(training.state());
  CHECK(after == before);
}

TEST_CASE("fine-tuning keeps widths, codes and the interval of x") {
  const Given given{{"phase", "fine_tune"},
                    {"bits", std::vector<std::string>{"*=3", "fc2.weight=1", "fc3.*=2"}},
                    {"activation_bits", std::int64_t{32}}};
  Training training(given, 3);
  TrainingObserver nobody;
  training.trainer->run(nobody);
  CHECK(training.metric("bits") == std::vector<double>{3, 1, 2, 2});
  CHECK(training.trainer->selected_accuracy() > 0.15);
  for (const Parameter& p : training.network->parameters()) {
    if (training.methods->bits(p) == 32) continue;
    Tensor hard = Tensor::zeros(p.value.shape()), soft = hard.clone();
    training.methods->write_deployed(p, Deployment::hard, hard);
    training.methods->write_deployed(p, Deployment::soft, soft);
    std::vector<float> decoded(static_cast<std::size_t>(hard.numel()));
    training.methods->coded(p)->decode(decoded);
    CHECK(decoded == list(hard));
    CHECK(list(soft) == list(hard));
    std::vector<float> values = list(hard);
    std::ranges::sort(values);
    values.erase(std::ranges::unique(values).begin(), values.end());
    const int n = static_cast<int>(training.methods->bits(p));
    CHECK(values.size() <= static_cast<std::size_t>(2 * ((1 << n) - 1) + 1));
  }
  for (const Optimized& o : training.methods->untraced())
    if (o.name == "fc1.weight:0")
      for (const float x : o.value.values()) REQUIRE(std::abs(x) <= 1);
}
