#pragma once
// A pass through a network whose weights and activations are quantized from outside, by levels that
// can be changed between two passes.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <bitwright/core/error.h>
#include <bitwright/quant/activation_statistics.h>
#include <bitwright/quant/quantizer.h>

#include "train/evaluation_step.h"

namespace bitwright {

/// What stays float, in a list of words and name patterns of layers:
///   first    the first convolution, and the first activation function
///   last     the last convolution, and the last activation function
///   linear   all linear layers
struct KeptFloat {
  std::vector<std::string> list;
  Place where;  ///< for messages
};

/// The weights of `network` that are quantized. Throws a configuration error for a pattern that
/// names no layer, and where nothing is left to quantize.
std::vector<const Parameter*> quantized_weights(const Network& network, const KeptFloat& kept);

/// The output of one activation function (relu, tanh ...) on its way to the next layer.
struct ActivationPoint {
  enum class Mode { pass, observe, quantize };
  std::string layer;
  bool kept_float = false;
  Mode mode = Mode::pass;
  ActivationStatistics statistics;
  Levels levels;
};

/// The tape of such a pass.
class QuantizedNetwork {
 public:
  QuantizedNetwork(Network& network, MethodStack& methods, const BatchShape& batch, DType precision,
                   BatchStatistics statistics, const KeptFloat& kept);
  ~QuantizedNetwork();

  EvaluationStep& step() { return *step_; }
  /// In the order of the network.
  std::vector<std::unique_ptr<ActivationPoint>>& activations() { return points_; }
  /// Lets the first `images` of the batch that lies in step().batch() through.
  EvaluationStep::Sums run(std::int64_t images);

 private:
  class Hooks;
  std::unique_ptr<Hooks> hooks_;
  std::vector<std::unique_ptr<ActivationPoint>> points_;
  std::int64_t images_ = 0;
  std::unique_ptr<EvaluationStep> step_;
};

}  // namespace bitwright
