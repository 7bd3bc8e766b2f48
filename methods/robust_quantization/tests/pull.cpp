// A short real training of a residual network: the term pulls every tensor to the shape it asks
// for, and without it the tensors stay as they were.
#include <cmath>
#include <memory>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/data/normalization.h>
#include <bitwright/data/split.h>
#include <bitwright/experiment/builtin.h>

#include "method_fixture.h"
#include "train/trainer.h"

using namespace bitwright;
using namespace bitwright::test;

namespace {

struct Last final : TrainingObserver {
  std::vector<double> metrics;  // kurtosis_loss, then the kurtosis of each layer
  double loss = 0;
  void on_step(const StepRecord& r) override { loss = r.train_loss; }
  void on_evaluation(const EvaluationRecord& r) override { metrics = r.metrics; }
};

Last train(double lambda) {
  Registries registries;
  register_builtin_components(registries);
  const Given size{
      {"train_images", std::int64_t{600}}, {"test_images", std::int64_t{10}}, {"style", "color"}};
  const auto data = registries.datasets.make(settings_for(registries.datasets, "glyphs", size), {});
  const ImageSet images = data->train();
  const Split split = split_last(images.count(), 100);
  const Normalization normalization = unit_normalization(3);
  const auto network = registries.networks.make(
      settings_for(registries.networks, "resnet8", {{"width", 0.5}}), data->input());
  initialize(*network, 1);
  BatchLoader loader(images, split.train, 25, 1, normalization);
  StageInfo stage = stage_of(*network);
  stage.steps = 120;
  stage.steps_per_epoch = loader.batches_per_epoch();
  std::vector<std::unique_ptr<Method>> list;
  list.push_back(registries.methods.make(
      settings_for(registries.methods, "robust_quantization", {{"lambda", lambda}})));
  MethodStack methods(std::move(list), stage);
  Evaluator validation(
      *network, methods,
      std::make_unique<EvaluationLoader>(images, split.validation, 50, normalization));
  const auto optimizer = registries.optimizers.make(
      settings_for(registries.optimizers, "sgd", {{"learning_rate", 0.05}, {"momentum", 0.9}}));
  const auto schedule = registries.schedules.make(settings_for(registries.schedules, "constant"));
  Trainer trainer(*network, methods, *optimizer, *schedule, loader, validation,
                  {.steps = stage.steps, .evaluate_every = 60});
  Last last;
  trainer.run(last);
  return last;
}

}  // namespace

TEST_CASE("in a short training every layer's kurtosis reaches 1.8, and without the term none") {
  const Last pulled = train(1), plain = train(0);
  REQUIRE(pulled.metrics.size() == 7);  // six convolutions behind the first
  double mean = 0;
  for (std::size_t l = 1; l < pulled.metrics.size(); ++l) {
    CAPTURE(l);
    CHECK(std::abs(pulled.metrics[l] - 1.8) < 0.2);
    mean += plain.metrics[l] / 6;
  }
  CHECK(mean > 2.5);
  CHECK(pulled.metrics[0] < 0.04);
  CHECK(std::isfinite(pulled.loss));
}
