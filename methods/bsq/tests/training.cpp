// The method in the real training loop, on a few hundred embedded digits: what holds after every
// step and at every adjustment, and that a resumed run goes on bit for bit.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "glyph_training.h"

using namespace bitwright;
using bitwright::testing::GlyphOptions;
using bitwright::testing::GlyphTraining;
using bitwright::testing::Recorder;
using test::Given;

namespace {

constexpr std::int64_t kEpoch = 20;  // steps

// LeNet-300 of a fifth of the width, trained in float for five epochs, then with the method.
struct Training : GlyphTraining {
  Training(const Given& given, std::int64_t epochs) : GlyphTraining(in_float()) {
    REQUIRE(loader->batches_per_epoch() == kEpoch);
    run();
    GlyphOptions with_method = in_float();
    with_method.methods = {{"bsq", given}};
    with_method.trainer = {.steps = epochs * kEpoch, .evaluate_every = 10};
    begin(with_method, false);
  }
  static GlyphOptions in_float() {
    GlyphOptions o;
    o.network_settings = {{"width", 0.2}};
    o.images = 1300, o.held_out = 300;
    o.optimizer = "sgd";
    o.settings = {{"learning_rate", 0.1}, {"momentum", 0.9}, {"weight_decay", 1e-4}};
    o.trainer = {.steps = 5 * kEpoch, .evaluate_every = kEpoch};
    return o;
  }

  std::vector<double> metric(const std::string& name) const {
    return test::metric(methods->metrics(), methods->measure(), name);
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
    training.run();
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
  const Given given{{"alpha", 1.0},
                    {"interval", std::int64_t{1}},
                    {"activation_bits", std::int64_t{2}},
                    {"activation_range", "ema"}};
  Training whole(given, 3);
  whole.run();
  const MemoryState expected = whole.saved();
  for (const std::int64_t step : {kEpoch - 3, kEpoch, kEpoch + 1, 2 * kEpoch + 7}) {
    CAPTURE(step);
    Training first(given, 3);
    Recorder some;
    some.stop_at = step;
    CHECK_FALSE(first.trainer->run(some));
    Training second(given, 3);
    for (Parameter& p : second.network->parameters()) p.value.fill(0.125f);
    first.saved().load(second.state());
    second.run();
    CHECK(second.saved().first_difference(expected) == "");
  }
}

TEST_CASE("evaluation leaves no trace") {
  Training training(kStrong, 1);
  training.run();
  const MemoryState before = training.saved();
  training.methods->measure();
  training.check_evaluation_leaves_no_trace();
  CHECK(training.saved() == before);
}

TEST_CASE("fine-tuning keeps widths, codes and the interval of x") {
  const Given given{{"phase", "fine_tune"},
                    {"bits", std::vector<std::string>{"*=3", "fc2.weight=1", "fc3.*=2"}},
                    {"activation_bits", std::int64_t{32}}};
  Training training(given, 3);
  training.run();
  CHECK(training.metric("bits") == std::vector<double>{3, 1, 2, 2});
  CHECK(training.trainer->selected_accuracy() > 0.15);
  for (const Parameter& p : training.network->parameters()) {
    if (training.methods->bits(p) == 32) continue;
    std::vector<float> values = training.deployed(p);
    CHECK(test::decoded(training.methods->coded(p).value()) == values);
    CHECK(training.deployed(p, Deployment::soft) == values);
    std::ranges::sort(values);
    values.erase(std::ranges::unique(values).begin(), values.end());
    const int n = static_cast<int>(training.methods->bits(p));
    CHECK(values.size() <= static_cast<std::size_t>(2 * ((1 << n) - 1) + 1));
  }
  for (const Optimized& o : training.methods->untraced())
    if (o.name == "fc1.weight:0")
      for (const float x : o.value.values()) REQUIRE(std::abs(x) <= 1);
}
