#pragma once
// Optimizers update tensors from gradients; schedules give the learning rate of a step.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <bitwright/core/state.h>
#include <bitwright/tensor/tensor.h>

namespace bitwright {

/// One tensor under optimization and its gradient (storage shared with their owners).
struct Optimized {
  std::string name;
  Tensor value;
  Tensor gradient;
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// Takes over the list; allocates its state (moments), all zero.
  virtual void attach(std::vector<Optimized> tensors) = 0;
  /// One update of all tensors that are not frozen.
  virtual void step(double learning_rate) = 0;
  /// Stops updating a tensor and zeroes its state.
  virtual void freeze(const std::string& name) = 0;
  virtual double learning_rate() const = 0;  ///< the configured, initial rate
  virtual void visit(StateVisitor& visitor) = 0;
};

/// A learning-rate schedule, as a factor of the optimizer's rate.
class Schedule {
 public:
  virtual ~Schedule() = default;
  /// Factor for `step` (from 0) of a stage with `steps` steps.
  virtual double factor(std::int64_t step, std::int64_t steps) const = 0;
};

}  // namespace bitwright
