// Every arm in the real training loop, on a few hundred embedded digits.
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

#include "method_fixture.h"
#include "train/trainer.h"

namespace bitwright {
void register_glyphs(Registries& registries);
void register_bit_drop(Registries& registries);
}  // namespace bitwright

using namespace bitwright;
using namespace bitwright::test;

namespace {

using Text = std::string;
constexpr std::int64_t kSteps = 80;

// Every number and byte of visited state, in order; or puts them back.
class Copy final : public StateVisitor {
 public:
  explicit Copy(bool load = false) : load_(load) {}
  std::string all;
  void tensor(std::string_view, Tensor& value) override { raw(value.data(), value.bytes()); }
  void integer(std::string_view, std::int64_t& value) override { raw(&value, sizeof value); }
  void real(std::string_view, double& value) override { raw(&value, sizeof value); }
  void text(std::string_view, std::string& value) override { raw(value.data(), value.size()); }
  void enter(std::string_view) override {}
  void leave() override {}

 private:
  void raw(void* data, std::size_t bytes) {
    if (load_)
      all.copy(static_cast<char*>(data), bytes, at_);
    else
      all.append(static_cast<const char*>(data), bytes);
    at_ += bytes;
  }
  bool load_;
  std::size_t at_ = 0;
};

struct Training {
  explicit Training(const Given& given, const Text& net = "lenet300", double width = 0.2,
                    DType precision = DType::f32) {
    register_networks(registries);
    register_optimizers(registries);
    register_glyphs(registries);
    register_bit_drop(registries);
    const Given size{{"train_images", std::int64_t{2000}}, {"test_images", std::int64_t{10}}};
    auto data = registries.datasets.make(settings_for(registries.datasets, "glyphs", size), {});
    images = data->train();
    const Split split = split_last(images.count(), 250);
    const Normalization normalization = unit_normalization(1);
    network = registries.networks.make(settings_for(registries.networks, net, {{"width", width}}),
                                       data->input());
    initialize(*network, 1);
    loader = std::make_unique<BatchLoader>(images, split.train, 50, 1, normalization);
    StageInfo stage = stage_of(*network);
    stage.steps = kSteps;
    stage.steps_per_epoch = loader->batches_per_epoch();
    std::vector<std::unique_ptr<Method>> list;
    list.push_back(registries.methods.make(settings_for(registries.methods, "bit_drop", given)));
    methods = std::make_unique<MethodStack>(std::move(list), stage);
    validation = std::make_unique<Evaluator>(
        *network, *methods,
        std::make_unique<EvaluationLoader>(images, split.validation, 250, normalization),
        precision);
    optimizer = registries.optimizers.make(
        settings_for(registries.optimizers, "adam", {{"learning_rate", 0.003}}));
    schedule = registries.schedules.make(settings_for(registries.schedules, "constant"));
    TrainerOptions options{.steps = stage.steps, .evaluate_every = 20};
    options.precision = precision;
    trainer = std::make_unique<Trainer>(*network, *methods, *optimizer, *schedule, *loader,
                                        *validation, options);
  }

  // Up to a step, or to the end.
  void run(std::int64_t until = 0) {
    struct Stop final : TrainingObserver {
      std::int64_t at = 0;
      bool on_step_complete(std::int64_t done) override { return done == at; }
    } stop;
    stop.at = until;
    trainer->run(stop);
  }

  Text state() {
    Copy copy;
    trainer->visit(copy);
    return copy.all;
  }
  void restore(const Text& state) {
    Copy copy(true);
    copy.all = state;
    trainer->visit(copy);
  }

  Registries registries;
  ImageSet images;
  std::unique_ptr<Network> network;
  std::unique_ptr<BatchLoader> loader;
  std::unique_ptr<MethodStack> methods;
  std::unique_ptr<Evaluator> validation;
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<Schedule> schedule;
  std::unique_ptr<Trainer> trainer;
};

const std::vector<Given> kArms{
    {{"estimator", Text("ste")}, {"drop_bits", Text("none")}},
    {{"estimator", Text("rq")}, {"drop_bits", Text("none")}, {"weight_bits", std::int64_t{2}}},
    {{"estimator", Text("rq_st")},
     {"drop_bits", Text("none")},
     {"activation_bits", std::int64_t{5}}},
    {{"drop_bits", Text("none")}},
    {{"drop_bits", Text("none")}, {"truncate", false}},
    {{"drop_bits", Text("fixed")}, {"keep_prob", 0.9}},
    {{"drop_bits", Text("learned")}, {"weight_bits", std::int64_t{4}}},
    {{"drop_bits", Text("heterogeneous")}, {"weight_bits", std::int64_t{4}}, {"penalty", 0.01}},
};

}  // namespace

TEST_CASE("every arm learns, deploys grid points that its codes decode to, and leaves no trace") {
  for (std::size_t arm = 0; arm < kArms.size(); ++arm) {
    CAPTURE(arm);
    Training training(kArms[arm]);
    training.run();
    // Sampling is noise for weights that have hardly learned; chance is 0.1.
    const bool sampled = arm == 1 || arm == 2;
    CHECK(training.trainer->selected_accuracy() > (sampled ? 0.2 : 0.5));
    std::int64_t wrong = 0, quantized = 0;
    for (const Parameter& p : training.network->parameters()) {
      const std::vector<float> labels = training.methods->label_set(p);
      if (labels.empty()) continue;
      Tensor w = Tensor::zeros(p.value.shape());
      training.methods->write_deployed(p, Deployment::hard, w);
      for (float x : w.values()) wrong += std::ranges::count(labels, x) != 1;
      std::vector<float> decoded(static_cast<std::size_t>(w.numel()));
      training.methods->coded(p)->decode(decoded);
      CHECK(decoded == list(w));
      quantized += w.numel();
    }
    CHECK(wrong == 0);
    CHECK(quantized == 784 * 60 + 60 * 20 + 20 * 10);
    const Text before = training.state();
    const Evaluation hard = training.validation->run(Deployment::hard);
    training.validation->run(Deployment::soft);
    CHECK(training.state() == before);
    CHECK(training.validation->run(Deployment::hard).loss == hard.loss);
  }
}

TEST_CASE("a run that is saved and continued has the bits of one that was not, for every arm") {
  for (std::size_t arm = 0; arm < kArms.size(); ++arm) {
    CAPTURE(arm);
    Training whole(kArms[arm]);
    whole.run(50);
    Training first(kArms[arm]);
    first.run(29);  // in the middle of an epoch of 35
    Training second(kArms[arm]);
    second.restore(first.state());
    second.run(50);
    CHECK(second.state() == whole.state());
    CHECK(second.methods->measure() == whole.methods->measure());
  }
}

TEST_CASE("alpha and sigma move, sigma stays above its floor, and weights gather at the points") {
  Training training({{"drop_bits", Text("none")}, {"weight_bits", std::int64_t{2}}});
  training.run(1);
  const auto start = training.methods->measure();
  training.run();
  const auto end = training.methods->measure();
  // average, then bits, alpha, ratio, cohesion, clipped of three layers; then two layers' inputs.
  REQUIRE(end.size() == 1 + 5 * 3 + 3 * 2);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(end[4 + i] != start[4 + i]);
    CHECK(end[7 + i] >= 0.05 * (1 - 1e-6));
    CHECK(end[7 + i] != start[7 + i]);
    CHECK(end[10 + i] > 0);
    CHECK(end[10 + i] < 0.5);
  }
  for (std::size_t i = 0; i < 2; ++i) CHECK(end[16 + i] != start[16 + i]);
}

TEST_CASE("a large penalty closes gates, and the deployed grid shrinks with them") {
  const auto bits = [](double penalty) {
    Training training({{"drop_bits", Text("heterogeneous")},
                       {"weight_bits", std::int64_t{4}},
                       {"gate_init", -1.5},
                       {"penalty", penalty}});
    training.run();
    return training.methods->measure()[0];
  };
  CHECK(bits(0) == 4);
  CHECK(bits(30) < 3);
}

TEST_CASE("bf16 activations and a convolutional network") {
  Training training({{"weight_bits", std::int64_t{4}}, {"activation_bits", std::int64_t{4}}},
                    "lenet5", 0.2, DType::bf16);
  training.run();
  const auto values = training.methods->measure();
  for (double value : values) CHECK(std::isfinite(value));
  CHECK(training.trainer->selected_accuracy() > 0.2);
}
