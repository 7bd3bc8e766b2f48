#pragma once
// Optimizers update tensors from gradients; schedules give the learning rate of a step.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <bitwright/core/length.h>
#include <bitwright/core/state.h>
#include <bitwright/tensor/tensor.h>

namespace bitwright {

/// How a tensor is updated, as factors of what the optimizer's options say.
struct UpdateRule {
  double rate = 1;   ///< of the learning rate
  double decay = 1;  ///< of the weight decay
};

/// One tensor under optimization and its gradient (storage shared with their owners).
struct Optimized {
  std::string name;
  Tensor value;
  Tensor gradient;
  std::string parameter;  ///< of the network, that it is or stands for: "fc1.weight"
  std::string kind;       ///< of that parameter: "conv_weight", "bias" ... (name_of(ParameterKind))
  UpdateRule rule = {};
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// Takes over the list; allocates its state (moments), all zero. Throws a configuration error
  /// for options that fit none of the tensors.
  virtual void attach(std::vector<Optimized> tensors) = 0;
  /// One update of all tensors that are not frozen.
  virtual void step(double learning_rate) = 0;
  /// Stops updating a tensor and zeroes its state.
  virtual void freeze(const std::string& name) = 0;
  /// Zeroes a tensor's state: its value was rewritten, so moments of the old one mean nothing.
  virtual void restart(const std::string& name) = 0;
  virtual double learning_rate() const = 0;  ///< the configured, initial rate
  virtual void visit(StateVisitor& visitor) = 0;
};

/// A learning-rate schedule, as a factor of the optimizer's rate.
class Schedule {
 public:
  virtual ~Schedule() = default;
  /// Factor for `step`, 0 <= step <= horizon.steps. The horizon is what the schedule runs over: the
  /// stage, or the part of it that the schedule has.
  virtual double factor(std::int64_t step, const Horizon& horizon) const = 0;
};

}  // namespace bitwright
