#pragma once
// All methods of a stage acting as one: which transform stands for which parameter, and the calls
// that reach every method in the order of the configuration.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <bitwright/optim/optimizer.h>
#include <bitwright/train/method.h>

#include "train/activation_claims.h"

namespace bitwright {

/// The metrics of methods that act together; a name that two of them use gets the method's in
/// front.
std::vector<MetricDeclaration> method_metrics(const std::vector<std::unique_ptr<Method>>& methods,
                                              const Network& network);

/// What methods have left to those of later stages, by their names.
using HandedOverByMethod = std::map<std::string, HandedOver>;

/// A quantizer's scale, and the value at or below which it has collapsed.
struct ScaleTensor {
  std::string name, layer;
  Tensor value;
  float collapsed_at = 0;
};

/// The float weight that a step updates, in the parameter's shape.
struct MasterWeight {
  const Parameter* parameter;
  Tensor value;
};

class MethodStack final : public ForwardHooks {
 public:
  /// Attaches the methods, each with what one of its name has `left`, and asks each for its
  /// transforms. Throws a configuration error when a method stands in the list twice, and when two
  /// methods claim the same parameter; tracing throws one when two quantize the same activations.
  /// Parameters whose names match a pattern of `held` keep their values: no method transforms them,
  /// and they are frozen.
  MethodStack(std::vector<std::unique_ptr<Method>> methods, const StageInfo& stage,
              const std::vector<std::string>& held = {}, const HandedOverByMethod& left = {});

  bool empty() const { return methods_.empty(); }  ///< plain training
  const std::vector<std::unique_ptr<Method>>& methods() const { return methods_; }

  // Tracing.
  Variable parameter(Forward& forward, const Parameter& parameter) override;
  Variable trained(Forward& forward, const Tensor& value) override;
  Variable layer_input(Forward& forward, const Layer& layer, const Variable& x) override;
  Variable layer_output(Forward& forward, const Layer& layer, const Variable& y) override;
  /// cross-entropy plus every method's terms.
  Variable total_loss(Forward& forward, const Variable& data_loss);
  /// Those terms, of the step that was traced last.
  const std::vector<Variable>& loss_terms() const { return loss_terms_; }
  /// What the optimizer updates, with the gradients of the step that was traced last.
  std::vector<Optimized> optimized() const;
  /// The same before any step was traced: without gradients.
  std::vector<Optimized> untraced() const;

  /// The scales among what is optimized.
  std::vector<ScaleTensor> scales() const;
  /// Of the weights of convolutions and linear layers that have one.
  std::vector<MasterWeight> master_weights() const;

  // Around a step.
  void before_step(const StepInfo& info);
  bool after_backward(const StepInfo& info);
  void after_update(const StepInfo& info);
  void after_step(const StepInfo& info);
  void after_epoch(const StepInfo& info);
  void finish(const StepInfo& info);
  /// Whether any method stands for a parameter.
  bool transforms() const;
  /// Optimized names whose parameter is held, or frozen by a method.
  std::vector<std::string> frozen() const;
  /// Optimized names whose contents a method has rewritten since the last call.
  std::vector<std::string> rewritten();

  // The deployed network.
  void write_deployed(const Parameter& parameter, Deployment deployment, Tensor& out) const;
  /// Bits of one element of the deployed parameter; 32 where no method acts.
  double bits(const Parameter& parameter) const;
  std::vector<float> label_set(const Parameter& parameter) const;
  std::optional<Coded> coded(const Parameter& parameter) const;
  /// From now on the deployed parameter is this one, soft and hard, whatever its transform says.
  void replace_deployed(const Parameter& parameter, Tensor weight);
  /// Parameters' own tensors take over what the next stage starts from.
  void hand_over();
  /// Adds what the methods leave beside them to `left`, in the place of what was left before by
  /// methods of their names.
  void leave(HandedOverByMethod& left) const;

  std::vector<MetricDeclaration> metrics() const { return method_metrics(methods_, *network_); }
  std::vector<double> measure();
  void visit(StateVisitor& visitor);  ///< latents, then each method's own state
  /// What deployed passes need beside weights: tensors that methods train, and their own part.
  void visit_deployed(StateVisitor& visitor);

 private:
  void refuse_repeated() const;

  struct Slot {
    Parameter* parameter = nullptr;
    Method* owner = nullptr;  // null: trained as it is
    bool held = false;
    std::unique_ptr<WeightTransform> transform;
    std::vector<Tensor> latents;
    Tensor deployed;                  // stands in for the transform's, where it is defined
    std::vector<Variable> variables;  // of the step traced last
    std::string latent_name(std::size_t i) const;
    bool has_master() const { return latents.front().shape() == parameter->value.shape(); }
    Optimized optimized(std::size_t i, Tensor gradient) const;
  };
  Slot& slot(const Parameter& parameter);
  const Slot& slot(const Parameter& parameter) const;

  struct Own {
    TrainedTensor tensor;
    std::string layer;  // whose input or output it stands for
    Variable variable;  // of the step traced last
    Optimized optimized(Tensor gradient) const;
  };

  const Network* network_;
  std::vector<std::unique_ptr<Method>> methods_;
  std::vector<Slot> slots_;  // in the order of the network's parameters
  std::vector<Own> owns_;    // of the methods
  std::vector<Variable> loss_terms_;
  ActivationClaims claims_;
};

}  // namespace bitwright
