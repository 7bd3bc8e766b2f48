// The three methods in the real training loop, on a few hundred embedded digits.
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
void register_proximal_mean_field(Registries& registries);
void register_binary_connect(Registries& registries);
void register_prox_quant(Registries& registries);
}  // namespace bitwright

using namespace bitwright;
using namespace bitwright::test;

namespace {

// Every number and byte of visited state, in order.
class Bytes final : public StateVisitor {
 public:
  std::string all;
  void tensor(std::string_view, Tensor& value) override {
    all.append(static_cast<const char*>(value.data()), value.bytes());
  }
  void integer(std::string_view, std::int64_t& value) override { all += std::to_string(value); }
  void real(std::string_view, double& value) override {
    all.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void text(std::string_view, std::string& value) override { all += value; }
  void enter(std::string_view) override {}
  void leave() override {}
};

struct Training {
  Training(const std::string& method, const Given& given) {
    register_networks(registries);
    register_optimizers(registries);
    register_glyphs(registries);
    register_proximal_mean_field(registries);
    register_binary_connect(registries);
    register_prox_quant(registries);
    const Given size{{"train_images", std::int64_t{2500}}, {"test_images", std::int64_t{10}}};
    auto data = registries.datasets.make(settings_for(registries.datasets, "glyphs", size), {});
    images = data->train();
    const Split split = split_last(images.count(), 500);
    const Normalization normalization = unit_normalization(1);
    network =
        registries.networks.make(settings_for(registries.networks, "lenet300"), data->input());
    initialize(*network, 1);
    loader = std::make_unique<BatchLoader>(images, split.train, 100, 1, normalization);
    StageInfo stage = stage_of(*network);
    stage.steps = 160;
    stage.steps_per_epoch = loader->batches_per_epoch();
    std::vector<std::unique_ptr<Method>> list;
    list.push_back(registries.methods.make(settings_for(registries.methods, method, given)));
    methods = std::make_unique<MethodStack>(std::move(list), stage);
    validation = std::make_unique<Evaluator>(
        *network, *methods,
        std::make_unique<EvaluationLoader>(images, split.validation, 250, normalization));
    optimizer = registries.optimizers.make(
        settings_for(registries.optimizers, "adam", {{"learning_rate", 0.003}}));
    schedule = registries.schedules.make(settings_for(registries.schedules, "constant"));
    trainer = std::make_unique<Trainer>(*network, *methods, *optimizer, *schedule, *loader,
                                        *validation, TrainerOptions{stage.steps, 20});
    TrainingObserver nobody;
    trainer->run(nobody);
  }

  std::string state() {
    Bytes bytes;
    trainer->visit(bytes);
    return bytes.all;
  }

  // Parameters outside their label set, and elements that are quantized.
  std::pair<std::int64_t, std::int64_t> outside() const {
    std::int64_t wrong = 0, quantized = 0;
    for (const Parameter& p : network->parameters()) {
      const std::vector<float> labels = methods->label_set(p);
      if (labels.empty()) continue;
      Tensor w = Tensor::zeros(p.value.shape());
      methods->write_deployed(p, Deployment::hard, w);
      for (float x : w.values()) wrong += std::ranges::count(labels, x) != 1;
      quantized += w.numel();
    }
    return {wrong, quantized};
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

void check_training(const std::string& method, const Given& given, std::int64_t quantized,
                    double accuracy) {
  CAPTURE(method);
  Training training(method, given);
  CHECK(training.outside() == std::pair<std::int64_t, std::int64_t>{0, quantized});
  CHECK(training.trainer->selected_accuracy() > accuracy);
  const std::string before = training.state();
  const Evaluation hard = training.validation->run(Deployment::hard);
  training.validation->run(Deployment::soft);
  CHECK(training.state() == before);  // latents, statistics, moments, beta: untouched
  CHECK(training.validation->run(Deployment::hard).loss == hard.loss);
}

}  // namespace

TEST_CASE("trained weights are labels, evaluation changes nothing, and something is learned") {
  for (const char* jacobian : {"exact", "eye_double"})
    check_training("proximal_mean_field",
                   {{"jacobian", jacobian}, {"beta_rate", 1.2}, {"beta_interval", std::int64_t{2}}},
                   266610, 0.4);
  check_training("proximal_mean_field",
                 {{"projection", "sparsemax"},
                  {"jacobian", "exact"},
                  {"beta_rate", 1.1},
                  {"beta_interval", std::int64_t{2}},
                  {"labels", std::vector<double>{-1, 0, 1}}},
                 266610, 0.4);
  check_training("proximal_mean_field", {{"projection", "hardmax"}, {"jacobian", "ste"}}, 266610,
                 0.4);
  check_training("proximal_mean_field",
                 {{"projection", "tanh"},
                  {"jacobian", "ste"},
                  {"beta_rate", 1.2},
                  {"beta_interval", std::int64_t{2}}},
                 266610, 0.4);
  check_training("binary_connect", {}, 266610, 0.4);
  check_training("prox_quant", {{"reg_rate", 0.1}, {"freeze_epoch", std::int64_t{6}}}, 266610 - 410,
                 0.3);
}

TEST_CASE("once beta is large the soft network is the hard one") {
  Training training("proximal_mean_field", {{"jacobian", "exact"},
                                            {"beta_rate", 2.0},
                                            {"beta_interval", std::int64_t{5}},
                                            {"beta_cap", 1e8}});
  const Evaluation soft = training.validation->run(Deployment::soft);
  const Evaluation hard = training.validation->run(Deployment::hard);
  CHECK(std::abs(soft.accuracy - hard.accuracy) < 0.01);
}
