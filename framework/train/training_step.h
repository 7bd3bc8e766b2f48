#pragma once
// One training step, traced once and replayed.

#include <cstdint>
#include <stdexcept>

#include <bitwright/data/loader.h>
#include <bitwright/optim/optimizer.h>

#include "train/method_stack.h"
#include "train/step_observer.h"

namespace bitwright {

/// Raised when training cannot go on: the loss, or a tensor that is looked at, is not finite.
class Diverged : public std::runtime_error {
 public:
  Diverged(std::int64_t step, const std::string& what) : std::runtime_error(what), step(step) {}
  std::int64_t step;  ///< of the stage, from 1
};

class TrainingStep {
 public:
  /// Traces and plans the step; nothing is computed. Activations are of type `precision`. The
  /// optimizer takes over what the methods want to have optimized.
  TrainingStep(Network& network, MethodStack& methods, Optimizer& optimizer,
               const BatchShape& batch, DType precision = DType::f32);

  float* images() { return images_.f32(); }  ///< to be filled before update()
  std::int32_t* labels() { return labels_.i32(); }
  std::int64_t batch_size() const { return labels_.numel(); }

  /// One update from the batch that lies in images() and labels(): forward and backward on the
  /// tape, the optimizer's step, the methods' part in both. Returns the total loss; throws Diverged
  /// before anything is updated when that is not finite.
  double update(const StepInfo& now);
  std::int64_t correct() const;  ///< images of the last batch that were classified right

  /// Who follows updates from now on; null: nobody.
  void observe(StepObserver* observer);

 private:
  MethodStack& methods_;
  Optimizer& optimizer_;
  StepObserver* observer_ = nullptr;
  Tensor images_, labels_;
  Tape tape_{Execution::planned};
  Variable logits_, loss_;
};

}  // namespace bitwright
