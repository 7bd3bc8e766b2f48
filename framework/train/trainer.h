#pragma once
// The training loop of one stage.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <bitwright/data/loader.h>
#include <bitwright/optim/optimizer.h>
#include <bitwright/tensor/memory_state.h>

#include "train/evaluator.h"
#include "train/method_stack.h"
#include "train/stage_work.h"
#include "train/training_step.h"

namespace bitwright {

/// What ends a stage before its last step; both are looked at when the network is validated.
struct StopOptions {
  std::optional<double> accuracy;        ///< hard validation accuracy that is enough
  std::optional<std::int64_t> patience;  ///< validations in a row without a better one
};

/// How a stage trains.
struct TrainerOptions {
  std::int64_t steps = 0;             ///< updates
  std::int64_t evaluate_every = 100;  ///< steps, counted inside each epoch
  DType precision = DType::f32;       ///< of activations and their gradients
  std::int64_t accumulate = 1;        ///< batches of the loader per step
  UpdateOptions update = {};
  StopOptions stop = {};
  WatchdogOptions watchdog = {};
};

class Trainer final : public StageWork {
 public:
  Trainer(Network& network, MethodStack& methods, Optimizer& optimizer, const Schedule& schedule,
          BatchLoader& loader, Evaluator& validation, const TrainerOptions& options);

  bool run(TrainingObserver& observer) override;
  void observe(StepObserver* observer) override;
  void scale_learning_rate(double factor) override { rate_factor_ = factor; }

  std::int64_t steps_done() const override { return step_; }
  std::string ended_early() const override;
  std::int64_t selected_step() const override { return best_step_; }
  double selected_accuracy() const override { return best_accuracy_; }
  void restore_selected() override;
  void keep() override;
  void restore_kept() override;
  [[nodiscard]] AveragedScope evaluated_weights() override {
    return AveragedScope(training_step_.average());
  }
  void visit(StateVisitor& visitor) override;

 private:
  std::int64_t steps_per_epoch() const;
  StepInfo info() const;
  StepRecord update(const StepInfo& info);
  EvaluationRecord evaluate();
  EpochRecord close_epoch(const Evaluation& hard);
  void freeze_and_restart();

  Network& network_;
  MethodStack& methods_;
  Optimizer& optimizer_;
  const Schedule& schedule_;
  BatchLoader& loader_;
  Evaluator& validation_;
  const TrainerOptions options_;
  StepObserver* step_observer_ = nullptr;
  TrainingStep training_step_;
  Watchdog watchdog_;
  double rate_factor_ = 1;

  std::int64_t step_ = 0;  // updates done
  double epoch_loss_ = 0;  // sums over the epoch so far
  std::int64_t epoch_correct_ = 0, epoch_images_ = 0;
  std::int64_t best_step_ = 0;
  double best_accuracy_ = -1;
  std::int64_t worse_ = 0;  // validations since the best one
  MemoryState best_, kept_;
};

}  // namespace bitwright
