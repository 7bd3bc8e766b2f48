#pragma once
// A stage of training on small random images, with everything that a Trainer needs.

#include <memory>
#include <string>
#include <vector>

#include <bitwright/core/rng.h>
#include <bitwright/data/loader.h>
#include <bitwright/data/normalization.h>
#include <bitwright/experiment/builtin.h>

#include "method_fixture.h"
#include "train/trainer.h"

namespace bitwright::testing {

inline ImageSet random_images(std::int64_t count) {
  ImageSet set;
  set.height = 3, set.width = 3, set.channels = 1, set.classes = 4;
  const Rng pixels(7, "test images"), labels(7, "test labels");
  for (std::int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<std::uint64_t>(i);
    set.labels.push_back(static_cast<std::int32_t>(labels.below(at, 4)));
    for (std::uint64_t p = 0; p < 9; ++p)
      set.pixels.push_back(static_cast<std::uint8_t>(pixels.below(9 * at + p, 256)));
  }
  return set;
}

/// What a test varies.
struct StageOptions {
  std::string optimizer = "sgd";
  test::Given settings{{"learning_rate", 0.1}};
  std::string method;  ///< none: plain training
  std::int64_t batch = 16, images = 100;
  TrainerOptions trainer{.steps = 20, .evaluate_every = 3};
};

/// fc1 (9 -> 12), relu, fc2 (12 -> 4); the first `images` of 140 are trained on, 40 validate.
struct SmallStage {
  explicit SmallStage(const StageOptions& options) {
    register_builtin_components(registries);
    NetworkBuilder builder(InputSpec{1, 3, 3, 4});
    builder.flatten().linear("fc1", 12).relu().linear("fc2", 4);
    network = builder.build();
    initialize(*network, 1);
    images = random_images(options.images + 40);
    std::vector<std::uint32_t> train, held_out;
    for (std::uint32_t i = 0; i < images.count(); ++i)
      (i < options.images ? train : held_out).push_back(i);
    const Normalization normalization = unit_normalization(1);
    loader = std::make_unique<BatchLoader>(images, train, options.batch, 1, normalization,
                                           LoaderOptions{.group = options.trainer.accumulate});
    std::vector<std::unique_ptr<Method>> list;
    if (!options.method.empty())
      list.push_back(
          registries.methods.make(test::settings_for(registries.methods, options.method)));
    const StageInfo info{"s",
                         1,
                         options.trainer.steps,
                         loader->batches_per_epoch() / options.trainer.accumulate,
                         true,
                         network.get()};
    methods = std::make_unique<MethodStack>(std::move(list), info);
    optimizer = registries.optimizers.make(
        test::settings_for(registries.optimizers, options.optimizer, options.settings));
    schedule = registries.schedules.make(test::settings_for(registries.schedules, "cosine"));
    validation = std::make_unique<Evaluator>(
        *network, *methods,
        std::make_unique<EvaluationLoader>(images, held_out, 20, normalization));
    trainer = std::make_unique<Trainer>(*network, *methods, *optimizer, *schedule, *loader,
                                        *validation, options.trainer);
  }

  VisitState state() {
    return [this](StateVisitor& v) { trainer->visit(v); };
  }
  std::vector<float> weights() {
    std::vector<float> all;
    for (const Optimized& o : methods->optimized())
      all.insert(all.end(), o.value.values().begin(), o.value.values().end());
    return all;
  }

  Registries registries;
  ImageSet images;
  std::unique_ptr<Network> network;
  std::unique_ptr<BatchLoader> loader;
  std::unique_ptr<MethodStack> methods;
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<Schedule> schedule;
  std::unique_ptr<Evaluator> validation;
  std::unique_ptr<Trainer> trainer;
};

/// Remembers everything; ends the loop after `stop_at` steps, if that is not 0.
struct Recorder : TrainingObserver {
  std::vector<StepRecord> steps;
  std::vector<EvaluationRecord> evaluations;
  std::vector<EpochRecord> epochs;
  std::int64_t stop_at = 0;
  void on_step(const StepRecord& r) override { steps.push_back(r); }
  void on_evaluation(const EvaluationRecord& r) override { evaluations.push_back(r); }
  void on_epoch(const EpochRecord& r) override { epochs.push_back(r); }
  bool on_step_complete(std::int64_t done) override { return done == stop_at; }
};

}  // namespace bitwright::testing
