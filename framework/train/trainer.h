#pragma once
// The training loop of one stage.

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include <bitwright/data/loader.h>
#include <bitwright/optim/optimizer.h>
#include <bitwright/tensor/memory_state.h>

#include "train/evaluator.h"
#include "train/method_stack.h"
#include "train/training_step.h"

namespace bitwright {

struct StepRecord {
  std::int64_t step = 0;  ///< updates of this stage done, this one included
  double train_loss = 0, learning_rate = 0;
  double gradient_norm = std::numeric_limits<double>::quiet_NaN();  ///< where it is clipped
  double seconds = 0;  ///< the update took, by the wall clock
  double waiting = 0;  ///< seconds of it that went by until the batch was there
};

struct EvaluationRecord {
  std::int64_t step = 0;
  Evaluation hard;              ///< the deployed network on the validation images
  std::vector<double> metrics;  ///< the methods', in the order of MethodStack::metrics
};

struct EpochRecord {
  std::int64_t epoch = 0, step = 0;  ///< epochs and updates of this stage done
  double train_loss = 0, train_accuracy = 0;
  Evaluation soft, hard;
};

/// Who writes down what happens; called in the order of the loop.
class TrainingObserver {
 public:
  virtual ~TrainingObserver() = default;
  virtual void on_step(const StepRecord&) {}
  virtual void on_evaluation(const EvaluationRecord&) {}
  virtual void on_epoch(const EpochRecord&) {}
  /// After everything else of a step: true ends the loop here (checkpoints, signals).
  virtual bool on_step_complete(std::int64_t /*steps_done*/) { return false; }
};

/// How a stage trains.
struct TrainerOptions {
  std::int64_t steps = 0;             ///< updates
  std::int64_t evaluate_every = 100;  ///< steps, counted inside each epoch
  DType precision = DType::f32;       ///< of activations and their gradients
  std::int64_t accumulate = 1;        ///< batches of the loader per step
  UpdateOptions update = {};
};

class Trainer {
 public:
  Trainer(Network& network, MethodStack& methods, Optimizer& optimizer, const Schedule& schedule,
          BatchLoader& loader, Evaluator& validation, const TrainerOptions& options);

  /// Runs from the current step to the end of the stage; false when the observer ended it early.
  bool run(TrainingObserver& observer);

  /// Who follows the inside of steps and evaluations from now on; null: nobody.
  void observe(StepObserver* observer);

  std::int64_t steps_done() const { return step_; }
  /// The network with the highest hard validation accuracy, the earliest among equals.
  std::int64_t selected_step() const { return best_step_; }
  double selected_accuracy() const { return best_accuracy_; }
  void restore_selected();
  /// While the result lives, the network is the one that evaluations look at: its weights are their
  /// averages, where averages are kept.
  [[nodiscard]] AveragedScope evaluated_weights() {
    return AveragedScope(training_step_.average());
  }

  /// Everything that the rest of the stage depends on.
  void visit(StateVisitor& visitor);

 private:
  std::int64_t steps_per_epoch() const;
  StepInfo info() const;
  StepRecord update(const StepInfo& info);
  EvaluationRecord evaluate();
  EpochRecord close_epoch(const Evaluation& hard);
  void freeze();
  void visit_network(StateVisitor& visitor);

  Network& network_;
  MethodStack& methods_;
  Optimizer& optimizer_;
  const Schedule& schedule_;
  BatchLoader& loader_;
  Evaluator& validation_;
  const TrainerOptions options_;
  StepObserver* step_observer_ = nullptr;
  TrainingStep training_step_;

  std::int64_t step_ = 0;  // updates done
  double epoch_loss_ = 0;  // sums over the epoch so far
  std::int64_t epoch_correct_ = 0, epoch_images_ = 0;
  std::int64_t best_step_ = 0;
  double best_accuracy_ = -1;
  MemoryState best_;
};

}  // namespace bitwright
