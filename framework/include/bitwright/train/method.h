#pragma once
// The method interface: everything that one paper adds to plain training.
//
// Order of calls in a stage (the contract; see framework/train/trainer.cpp):
//   attach                               once, network built, nothing trained yet
//   per step   before_step -> forward and backward on the tape (transforms, layer hooks, loss
//              terms) -> after_backward -> optimizer -> after_update -> [evaluation] -> after_step
//   per epoch  after_epoch
//   any time   write_deployed (through WeightTransform), measure, visit
// Steps count from 0 inside the stage; epochs likewise.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <bitwright/autograd/ops.h>
#include <bitwright/core/options.h>
#include <bitwright/core/state.h>
#include <bitwright/nn/network.h>

namespace bitwright {

/// How the network is looked at: as it is trained, or quantized as it would be deployed.
enum class Deployment { soft, hard };

/// What a method knows when its stage begins.
struct StageInfo {
  std::string name;
  std::uint64_t seed = 0;
  std::int64_t steps = 0;
  std::int64_t steps_per_epoch = 0;
  bool fresh_weights = true;  ///< false: weights come from the previous stage
  Network* network = nullptr;
};

struct StepInfo {
  std::int64_t step = 0;   ///< in the stage, from 0
  std::int64_t epoch = 0;  ///< step / steps_per_epoch
  double learning_rate = 0;
};

/// What a method puts in the place of one parameter.
class WeightTransform {
 public:
  virtual ~WeightTransform() = default;
  /// Tensors that the optimizer updates instead of the parameter (the parameter's own tensor may
  /// be among them). Their storage stays the same for the whole stage.
  virtual std::vector<Tensor> latents() = 0;
  /// The effective weight of a training step, in the parameter's shape. Called once while the step
  /// is traced; `latents` are the tape's variables for latents(), in the same order.
  virtual Variable effective(Forward& forward, std::span<const Variable> latents) = 0;
  /// Writes the weight that evaluation uses. Reads latents, changes nothing.
  virtual void write_deployed(Deployment deployment, Tensor& out) const = 0;
  /// Bits per element of the deployed weight, as the paper counts them (no shared overhead).
  virtual double bits() const = 0;
  /// The values that a deployed (hard) element may take; empty when they are not a fixed set.
  virtual std::vector<float> label_set() const { return {}; }
};

/// A series that a method logs, declared before the run file is opened.
struct MetricDeclaration {
  std::string name;         ///< "beta"; prefixed with the method's name when two methods share one
  std::string unit;         ///< "1", "bits" ...
  std::string description;  ///< one line, with the paper's symbol
};

/// A differentiable addition to the loss, on the tape of the training step.
struct LossTerm {
  std::string name;
  Variable value;  ///< scalar; the method has multiplied it by its weight
};

class Method {
 public:
  virtual ~Method() = default;
  virtual std::string_view name() const = 0;

  /// The stage begins: remember what is needed, choose the parameters to act on.
  virtual void attach(const StageInfo& stage) = 0;
  /// The transform of a parameter, or null to leave it alone. Called once per parameter after
  /// attach. Two methods that transform the same parameter are refused. When the stage starts from
  /// fresh weights, the transform draws its own initial latents; else it starts from `value`. The
  /// caller keeps the transform for as long as it calls the method, which may point to it.
  virtual std::unique_ptr<WeightTransform> transform(const Parameter&) { return nullptr; }

  // While the step is traced.
  virtual Variable layer_input(Forward&, const Layer&, const Variable& x) { return x; }
  virtual Variable layer_output(Forward&, const Layer&, const Variable& y) { return y; }
  virtual std::vector<LossTerm> loss_terms(Forward&) { return {}; }

  // Around a step.
  virtual void before_step(const StepInfo&) {}
  /// Gradients are complete and may be changed; false vetoes the optimizer's update.
  virtual bool after_backward(const StepInfo&) { return true; }
  /// The optimizer has moved the latents: projection, proximal step, clipping.
  virtual void after_update(const StepInfo&) {}
  /// Evaluation of this step is over: advance schedules that later steps use.
  virtual void after_step(const StepInfo&) {}
  virtual void after_epoch(const StepInfo&) {}
  /// True when a parameter is no longer to be updated (its optimizer state is dropped).
  virtual bool frozen(const Parameter&) const { return false; }

  /// Metrics logged with every evaluation; `measure` returns as many values, in order.
  virtual std::vector<MetricDeclaration> metrics() const { return {}; }
  virtual std::vector<double> measure() { return {}; }

  /// State beside the latents (which the Trainer saves): schedules, statistics, counters.
  virtual void visit(StateVisitor&) {}
};

}  // namespace bitwright
