#pragma once
// One training step, traced once and replayed.

#include <cstdint>
#include <optional>

#include <bitwright/data/loader.h>
#include <bitwright/optim/optimizer.h>

#include "train/diverged.h"
#include "train/gradients.h"
#include "train/method_stack.h"
#include "train/step_observer.h"
#include "train/watchdog.h"
#include "train/weight_average.h"

namespace bitwright {

/// What an update does beside the optimizer's step.
struct UpdateOptions {
  ClipOptions clip = {};
  AverageOptions average = {};
};

class TrainingStep {
 public:
  /// Traces and plans the step; nothing is computed. Activations are of type `precision`. The
  /// optimizer takes over what the methods want to have optimized. The loss is the cross-entropy
  /// with the labels, or with soft targets where batches have them.
  TrainingStep(Network& network, MethodStack& methods, Optimizer& optimizer,
               const BatchShape& batch, DType precision = DType::f32,
               const UpdateOptions& options = {});

  BatchTensors& batch() { return batch_; }  ///< to be filled before update()
  float* images() { return batch_.images.f32(); }
  std::int32_t* labels() { return batch_.labels.i32(); }
  std::int64_t batch_size() const { return batch_.labels.numel(); }

  /// One update from the batch that lies in batch(): forward and backward on the
  /// tape, the clip, the optimizer's step, the methods' part in both. Returns the total loss. When
  /// that, or the norm to be clipped, is not finite, nothing is updated: Diverged is thrown, unless
  /// the watchdog goes on.
  double update(const StepInfo& now);
  /// A batch that comes before the one of update(now), which then works with the mean of all their
  /// gradients and returns the mean of their losses.
  void accumulate(const StepInfo& now);

  const Tensor& logits() const { return logits_.value(); }  ///< [N, classes], of the last batch
  double data_loss() const { return data_losses_; }  ///< of the last update, without methods' terms
  std::int64_t correct() const;  ///< images of the last update that were classified right
  /// L2 norm of the last update's gradients before they were clipped to a norm.
  std::optional<double> gradient_norm() const { return gradient_norm_; }

  void freeze(const std::string& name);   ///< stops updating an optimized tensor
  void restart(const std::string& name);  ///< of one that a method has rewritten
  WeightAverage& average() { return average_; }

  /// Who follows updates from now on; null: nobody.
  void observe(StepObserver* observer);
  /// Who decides about losses and gradients that are wrong; null: they throw.
  void guard(Watchdog* watchdog);

 private:
  double forward_and_backward(const StepInfo& now);
  bool loss_is_healthy(const StepInfo& now, double loss) const;
  bool gradients_are_healthy(const StepInfo& now);
  bool step(const StepInfo& now);
  std::int64_t correct_in_batch() const;

  MethodStack& methods_;
  Optimizer& optimizer_;
  StepObserver* observer_ = nullptr;
  Watchdog* watchdog_ = nullptr;
  BatchTensors batch_;
  Tape tape_{Execution::planned};
  Variable logits_, data_loss_, loss_;
  Gradients gradients_;
  WeightAverage average_;
  double earlier_losses_ = 0;  // of this update's batches before the last
  double data_losses_ = 0;     // of all of them
  bool healthy_ = true;        // the losses of this update
  std::int64_t earlier_correct_ = 0;
  std::optional<double> gradient_norm_;
};

}  // namespace bitwright
