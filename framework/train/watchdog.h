#pragma once
// Looks after training: numbers that are not finite, a loss that runs away, quantizers and layers
// that have become 0.

#include <cstdint>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <bitwright/core/state.h>
#include <bitwright/train/method.h>

#include "train/diverged.h"
#include "train/evaluation_step.h"
#include "train/method_stack.h"

namespace bitwright {

struct WatchdogOptions {
  /// Steps between looks at gradients, weights, statistics and scales. The loss is looked at in
  /// each step, and one that is not finite at once asks for the rest.
  std::int64_t every = 100;
  /// The loss has diverged when its running mean exceeds this times the larger one of its lowest
  /// running mean so far and of ln(classes), which guessing costs.
  double loss_factor = 10;
  Reaction non_finite = Reaction::stop;
  Reaction divergence = Reaction::stop;
  Reaction zero_scale = Reaction::go_on;
  Reaction zero_layer = Reaction::go_on;

  Reaction reaction(Fault fault) const;
};

/// A fault that does not end the training.
struct Warning {
  std::int64_t step = 0;  ///< of the stage, from 1
  std::string what;
};

/// Of one stage. What it finds it raises as Diverged, or says once where the reaction is go_on.
/// Looking reads everything and changes nothing; between the steps that are due it costs a few
/// scalar operations a step, and it never allocates while all is well.
class Watchdog {
 public:
  /// `steps` of the stage; `classes` of the network's output.
  Watchdog(Network& network, const MethodStack& methods, const WatchdogOptions& options,
           std::int64_t steps, std::int64_t classes);
  /// Who hears of faults that do not end the training.
  void tell(std::function<void(const Warning&)> listener) { listener_ = std::move(listener); }
  /// Gradients exist once the step is traced.
  void step_is_traced();

  // In the order of a step. What returns bool says whether the update may be made.
  bool loss_is_healthy(const StepInfo& now, double loss);
  bool gradients_are_healthy(const StepInfo& now);
  bool gradient_norm_is_healthy(const StepInfo& now, double norm);
  /// The update is done; `data_loss` is its cross-entropy, without what methods add.
  void after_update(const StepInfo& now, double data_loss);
  /// What an evaluation after `steps_done` updates works with: weights as they are deployed.
  void after_deployment(std::int64_t steps_done, const EvaluationStep::Weights& weights);

  /// Running means, and what has been said.
  void visit(StateVisitor& visitor);

 private:
  bool due(const StepInfo& now) const;
  void found(Fault fault, std::int64_t step, const std::string& where, const std::string& what);
  void follow_loss(const StepInfo& now, double loss);
  void check_weights(const StepInfo& now);
  void check_scales(const StepInfo& now);

  Network& network_;
  const MethodStack& methods_;
  const WatchdogOptions options_;
  const std::int64_t steps_;
  const double guessing_;  // cross-entropy of a uniform guess
  std::vector<Optimized> optimized_;
  std::vector<ScaleTensor> scales_;
  std::vector<MasterWeight> masters_;
  std::function<void(const Warning&)> listener_;

  double sum_ = 0, weight_ = 0;  // of the losses so far, older ones counting less
  double lowest_ = std::numeric_limits<double>::max();
  std::set<std::string> said_;  // "fault: where"
};

/// Whether what a checkpoint has brought back is finite, as far as the network goes.
bool state_is_finite(Network& network, const MethodStack& methods);

}  // namespace bitwright
