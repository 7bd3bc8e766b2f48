#pragma once
// The method interface: everything that one paper adds to plain training.
//
// Order of calls in a stage (the contract; see framework/train/trainer.cpp):
//   attach                               once, network built, nothing trained yet
//   per step   before_step -> forward and backward on the tape (transforms, layer hooks, loss
//              terms) -> after_backward -> optimizer -> after_update -> [evaluation] -> after_step
//   per epoch  after_epoch
//   last step  finish
//   the end    hand_over
//   any time   write_deployed and coded (through WeightTransform), measure, visit, visit_deployed
// Steps count from 0 inside the stage; epochs likewise.

#include <cstdint>
#include <map>
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
#include <bitwright/optim/optimizer.h>
#include <bitwright/quant/coded.h>

namespace bitwright {

/// How the network is looked at: as it is trained, or quantized as it would be deployed.
enum class Deployment { soft, hard };

/// Named numbers that a method leaves to later stages beside the weights: "conv1.weight.bits".
using HandedOver = std::map<std::string, double>;

/// What a method knows when its stage begins.
struct StageInfo {
  std::string name;
  std::uint64_t seed = 0;
  std::int64_t steps = 0;
  std::int64_t steps_per_epoch = 0;
  bool fresh_weights = true;  ///< false: weights come from the previous stage
  Network* network = nullptr;
  /// From the last stage before this one that had a method of the same name; empty: none had.
  HandedOver handed_over = {};
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
  /// How the optimizer treats latent `i`.
  virtual UpdateRule rule(std::size_t /*i*/) const { return {}; }
  /// Of a latent that is a quantizer's scale (its step, its clip ...): the value at or below which
  /// it quantizes no longer, such as the bound that the method keeps it at. The watchdog reports
  /// it. Nothing: the latent is no scale.
  virtual std::optional<float> collapsed_at(std::size_t /*i*/) const { return {}; }
  /// The effective weight of a training step, in the parameter's shape. Called once while the step
  /// is traced; `latents` are the tape's variables for latents(), in the same order.
  virtual Variable effective(Forward& forward, std::span<const Variable> latents) = 0;
  /// Writes the weight that evaluation uses. Reads latents, changes nothing.
  virtual void write_deployed(Deployment deployment, Tensor& out) const = 0;
  /// Writes the weight that the next stage starts from: the soft one, or a float master.
  virtual void hand_over(Tensor& out) const { write_deployed(Deployment::soft, out); }
  /// Bits per element of the deployed weight, as the paper counts them (no shared overhead).
  virtual double bits() const = 0;
  /// The values that a deployed (hard) element may take; empty when they are not a fixed set.
  virtual std::vector<float> label_set() const { return {}; }
  /// The deployed (hard) weight as it is stored; its decoded values are exactly those that
  /// write_deployed writes. Nothing: it is stored as f32.
  virtual std::optional<Coded> coded() const { return {}; }
};

/// A tensor that a method trains beside the network's parameters, such as the clip of an
/// activation. f32; its storage stays the same for the whole stage.
struct TrainedTensor {
  std::string name;  ///< unique in the method: "conv1.clip"
  Tensor value;
  UpdateRule rule = {};
  std::optional<float> collapsed_at = {};  ///< as WeightTransform::collapsed_at
};

/// A series that a method logs, declared before the run file is opened.
struct MetricDeclaration {
  std::string name;         ///< "beta"; prefixed with the method's name when two methods share one
  std::string unit;         ///< "1", "bits" ...
  std::string description;  ///< one line, with the paper's symbol
  /// Not empty: a value for each of these, which are layers, or tensors of them.
  std::vector<std::string> layers = {};

  std::size_t width() const { return layers.empty() ? 1 : layers.size(); }
};

/// A differentiable addition to the loss, on the tape of the training step. Its value can be read
/// after each step, for measure().
struct LossTerm {
  std::string name;
  Variable value;  ///< f32 scalar; the method has multiplied it by its weight
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

  /// What else the optimizer updates. Called once, after all transforms; the method puts them on
  /// the tape with Forward::trained. The Trainer saves them.
  virtual std::vector<TrainedTensor> trained() { return {}; }

  // While the step is traced.
  /// The variables of a parameter in the training step, before the layer uses it: what the
  /// optimizer updates, and the weight that the layer will see. They are one where no method
  /// transforms the parameter. `master` is the first latent where that has the parameter's shape
  /// (the float weight of a quantizer), else `effective`.
  virtual void weight_traced(Forward&, const Parameter&, const Variable& /*master*/,
                             const Variable& /*effective*/) {}
  virtual Variable layer_input(Forward&, const Layer&, const Variable& x) { return x; }
  virtual Variable layer_output(Forward&, const Layer&, const Variable& y) { return y; }
  /// Whether what these two return in place of an activation is a quantized one. An activation that
  /// two methods quantize is refused: one of them would have no say.
  virtual bool quantizes_activations() const { return true; }
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
  /// After the last step and its evaluation: what the method does to the network it leaves.
  virtual void finish(const StepInfo&) {}
  /// The stage is over, and the network is the one that goes on: what later stages get to know of
  /// it (StageInfo::handed_over), finite numbers. The Run saves them.
  virtual HandedOver hand_over() const { return {}; }
  /// True when a parameter is no longer to be updated (its optimizer state is dropped).
  virtual bool frozen(const Parameter&) const { return false; }
  /// Asked after each step, after_epoch and finish included: true when the method has rewritten the
  /// parameter's latents, whose moments the optimizer then forgets. Says so once.
  virtual bool rewritten(const Parameter&) { return false; }

  /// Metrics logged with every evaluation. Asked before attach, of a method that will act on this
  /// network.
  virtual std::vector<MetricDeclaration> metrics(const Network&) const { return {}; }
  /// Their values, in order, those of all layers one after the other.
  virtual std::vector<double> measure() { return {}; }

  /// State beside the latents (which the Trainer saves): schedules, statistics, counters.
  virtual void visit(StateVisitor&) {}
  /// The part of it that deployed passes (layer hooks) depend on, which goes into exported
  /// networks; the tensors of trained() are there already. A method that changes only weights has
  /// none.
  virtual void visit_deployed(StateVisitor& visitor) { visit(visitor); }
};

}  // namespace bitwright
