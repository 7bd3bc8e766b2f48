#pragma once
// What a stage does with its network, as the run that drives it sees it.

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <bitwright/core/state.h>

#include "train/evaluator.h"
#include "train/step_observer.h"
#include "train/watchdog.h"
#include "train/weight_average.h"

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
  /// A cell of the stage's grid is known.
  virtual void on_cell(std::int64_t /*cell*/, const Evaluation&) {}
  /// A fault that the watchdog found, and that training goes on with.
  virtual void on_warning(const Warning&) {}
  /// After everything else of a step: true ends the loop here (checkpoints, signals).
  virtual bool on_step_complete(std::int64_t /*steps_done*/) { return false; }
};

class StageWork {
 public:
  virtual ~StageWork() = default;

  /// Runs from the current step to the end of the stage; false when the observer ended it early.
  virtual bool run(TrainingObserver& observer) = 0;
  /// Who follows the inside of steps and evaluations from now on; null: nobody.
  virtual void observe(StepObserver* observer) = 0;

  virtual std::int64_t steps_done() const = 0;
  /// Why the stage ended before its last step; empty: it did not.
  virtual std::string ended_early() const { return ""; }

  /// Learning rates are multiplied by this from now on.
  virtual void scale_learning_rate(double /*factor*/) {}

  /// The network with the highest hard validation accuracy, the earliest among equals.
  virtual std::int64_t selected_step() const = 0;
  virtual double selected_accuracy() const = 0;
  virtual void restore_selected() = 0;
  /// Remembers the network as it is now, for restore_kept().
  virtual void keep() = 0;
  virtual void restore_kept() = 0;
  /// While the result lives, the network is the one that evaluations look at: its weights are their
  /// averages, where averages are kept.
  [[nodiscard]] virtual AveragedScope evaluated_weights() = 0;

  /// Everything that the rest of the stage depends on.
  virtual void visit(StateVisitor& visitor) = 0;
};

}  // namespace bitwright
