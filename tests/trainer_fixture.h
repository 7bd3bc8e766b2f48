#pragma once
// Stages of training with everything that a Trainer needs, and what tests want to know of them.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/core/rng.h>
#include <bitwright/data/loader.h>
#include <bitwright/data/normalization.h>
#include <bitwright/data/split.h>
#include <bitwright/tensor/memory_state.h>

#include "method_fixture.h"
#include "train/trainer.h"

namespace bitwright::testing {

/// Gray noise of side x side pixels, in four classes.
inline ImageSet random_images(std::int64_t count, std::int64_t side = 3) {
  ImageSet set;
  set.height = set.width = side, set.channels = 1, set.classes = 4;
  const Rng pixels(7, "test images"), labels(7, "test labels");
  const auto size = static_cast<std::uint64_t>(set.image_size());
  for (std::int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<std::uint64_t>(i);
    set.labels.push_back(static_cast<std::int32_t>(labels.below(at, 4)));
    for (std::uint64_t p = 0; p < size; ++p)
      set.pixels.push_back(static_cast<std::uint8_t>(pixels.below(size * at + p, 256)));
  }
  return set;
}

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

/// Methods by name, with the options that are given to them.
using MethodChoice = std::vector<std::pair<std::string, test::Given>>;

/// What a test varies.
struct StageOptions {
  MethodChoice methods;  ///< none: plain training
  std::string optimizer = "sgd";
  test::Given settings{{"learning_rate", 0.1}};  ///< of the optimizer
  std::string schedule = "cosine";
  std::int64_t batch = 16, evaluation_batch = 20;
  TrainerOptions trainer{.steps = 20, .evaluate_every = 3};
};

/// A network, images of which the last `held_out` validate, and the stage that trains on them.
struct TrainingStage {
  TrainingStage(ImageSet set, std::int64_t held_out, std::unique_ptr<Network> untrained,
                const StageOptions& options)
      : images(std::move(set)),
        split(split_last(images.count(), held_out)),
        network(std::move(untrained)) {
    initialize(*network, 1);
    begin(options, true);
  }
  TrainingStage(const TrainingStage&) = delete;  // its parts point to each other

  /// The next stage, on the network as it is now.
  void begin(const StageOptions& options, bool fresh_weights) {
    const Registries& all = test::builtin_registries();
    const TrainerOptions& training = options.trainer;
    const Normalization normalization = unit_normalization(images.channels);
    const LoaderOptions loading{.type = training.precision, .group = training.accumulate};
    trainer.reset();
    loader = std::make_unique<BatchLoader>(images, split.train, options.batch, 1, normalization,
                                           loading);
    const StageInfo info{"s",
                         1,
                         training.steps,
                         loader->batches_per_epoch() / training.accumulate,
                         fresh_weights,
                         network.get()};
    std::vector<std::unique_ptr<Method>> list;
    for (const auto& [name, given] : options.methods)
      list.push_back(test::make_method(name, given));
    methods = std::make_unique<MethodStack>(std::move(list), info);
    optimizer = test::make_component(all.optimizers, options.optimizer, options.settings);
    schedule = test::make_component(all.schedules, options.schedule);
    validation = std::make_unique<Evaluator>(
        *network, *methods,
        std::make_unique<EvaluationLoader>(images, split.validation, options.evaluation_batch,
                                           normalization, loading),
        training.precision);
    trainer = std::make_unique<Trainer>(*network, *methods, *optimizer, *schedule, *loader,
                                        *validation, training);
  }

  /// Trains until `stop_at` steps are done, or to the end.
  Recorder run(std::int64_t stop_at = 0) {
    Recorder seen;
    seen.stop_at = stop_at;
    trainer->run(seen);
    return seen;
  }

  VisitState state() {
    return [this](StateVisitor& v) { trainer->visit(v); };
  }
  /// A copy of the state.
  MemoryState saved() {
    MemoryState copy;
    copy.save(state());
    return copy;
  }

  std::vector<float> weights() {
    std::vector<float> all;
    for (const Optimized& o : methods->optimized())
      all.insert(all.end(), o.value.values().begin(), o.value.values().end());
    return all;
  }
  std::vector<float> deployed(const Parameter& p, Deployment deployment = Deployment::hard) const {
    Tensor weight = Tensor::zeros(p.value.shape());
    methods->write_deployed(p, deployment, weight);
    return test::list(weight);
  }

  /// Evaluation changes nothing that training would see, and says the same again.
  void check_evaluation_leaves_no_trace() {
    const MemoryState before = saved();
    const double loss = validation->run(Deployment::hard).loss;
    validation->run(Deployment::soft);
    CHECK(validation->run(Deployment::hard).loss == loss);
    CHECK(saved().first_difference(before) == "");
  }

  ImageSet images;
  Split split;
  std::unique_ptr<Network> network;
  std::unique_ptr<BatchLoader> loader;
  std::unique_ptr<MethodStack> methods;
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<Schedule> schedule;
  std::unique_ptr<Evaluator> validation;
  std::unique_ptr<Trainer> trainer;
};

/// fc1 (9 -> 12), relu, fc2 (12 -> 4); 100 images are trained on, 40 validate.
struct SmallStage : TrainingStage {
  explicit SmallStage(const StageOptions& options)
      : TrainingStage(random_images(140), 40, two_layers(), options) {}

  static std::unique_ptr<Network> two_layers() {
    NetworkBuilder builder(InputSpec{1, 3, 3, 4});
    builder.flatten().linear("fc1", 12).relu().linear("fc2", 4);
    return builder.build();
  }
};

}  // namespace bitwright::testing
