#pragma once
// One training step, traced once and replayed.

#include <cstdint>

#include <bitwright/data/loader.h>

#include "train/method_stack.h"

namespace bitwright {

class TrainingStep {
 public:
  /// Traces the step on a batch of zeros; the network's buffers are left as they were.
  TrainingStep(Network& network, MethodStack& methods, const BatchShape& batch);

  float* images() { return images_.f32(); }  ///< to be filled before run()
  std::int32_t* labels() { return labels_.i32(); }
  std::int64_t batch_size() const { return labels_.numel(); }

  double run();                  ///< forward and backward; the total loss
  std::int64_t correct() const;  ///< of the last run

 private:
  Tensor images_, labels_;
  Tape tape_;
  Variable logits_, loss_;
};

}  // namespace bitwright
