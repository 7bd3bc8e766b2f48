#pragma once
// Loss and accuracy of the deployed network on a fixed set of images.

#include <memory>
#include <utility>
#include <vector>

#include <bitwright/data/loader.h>

#include "train/method_stack.h"

namespace bitwright {

struct Evaluation {
  double loss = 0;      ///< mean cross-entropy, nats
  double accuracy = 0;  ///< fraction of images, top-1
};

/// Evaluates copies of the weights, written by the transforms: nothing of the training state is
/// touched, so there is nothing to restore.
class Evaluator final : private ForwardHooks {
 public:
  Evaluator(Network& network, MethodStack& methods, std::unique_ptr<EvaluationLoader> loader);
  Evaluation run(Deployment deployment);

 private:
  Variable parameter(Forward& forward, const Parameter& parameter) override;
  Variable layer_input(Forward& forward, const Layer& layer, const Variable& x) override;
  Variable layer_output(Forward& forward, const Layer& layer, const Variable& y) override;

  MethodStack& methods_;
  std::unique_ptr<EvaluationLoader> loader_;
  Tensor images_, labels_, probabilities_;
  std::vector<std::pair<const Parameter*, Tensor>> weights_;
  Tape tape_;
  Variable logits_;
};

}  // namespace bitwright
