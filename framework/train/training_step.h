#pragma once
// One training step, traced once and replayed.

#include <cstdint>
#include <optional>
#include <stdexcept>

#include <bitwright/data/loader.h>
#include <bitwright/optim/optimizer.h>

#include "train/gradients.h"
#include "train/method_stack.h"
#include "train/step_observer.h"
#include "train/weight_average.h"

namespace bitwright {

/// Raised when training cannot go on: the loss, or a tensor that is looked at, is not finite.
class Diverged : public std::runtime_error {
 public:
  Diverged(std::int64_t step, const std::string& what) : std::runtime_error(what), step(step) {}
  std::int64_t step;  ///< of the stage, from 1
};

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
  /// tape, the clip, the optimizer's step, the methods' part in both. Returns the total loss;
  /// throws Diverged before anything is updated when that, or the norm to be clipped, is not
  /// finite.
  double update(const StepInfo& now);
  /// A batch that comes before the one of update(now), which then works with the mean of all their
  /// gradients and returns the mean of their losses.
  void accumulate(const StepInfo& now);

  const Tensor& logits() const { return logits_.value(); }  ///< [N, classes], of the last batch
  std::int64_t correct() const;  ///< images of the last update that were classified right
  /// L2 norm of the last update's gradients before they were clipped to a norm.
  std::optional<double> gradient_norm() const { return gradient_norm_; }

  void freeze(const std::string& name);   ///< stops updating an optimized tensor
  void restart(const std::string& name);  ///< of one that a method has rewritten
  WeightAverage& average() { return average_; }

  /// Who follows updates from now on; null: nobody.
  void observe(StepObserver* observer);

 private:
  double forward_and_backward(const StepInfo& now);
  void step(const StepInfo& now);
  std::int64_t correct_in_batch() const;

  MethodStack& methods_;
  Optimizer& optimizer_;
  StepObserver* observer_ = nullptr;
  BatchTensors batch_;
  Tape tape_{Execution::planned};
  Variable logits_, loss_;
  Gradients gradients_;
  WeightAverage average_;
  double earlier_losses_ = 0;  // of this update's batches before the last
  std::int64_t earlier_correct_ = 0;
  std::optional<double> gradient_norm_;
};

}  // namespace bitwright
