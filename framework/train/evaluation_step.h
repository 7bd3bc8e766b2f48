#pragma once
// The deployed network on one batch, traced once and replayed.

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include <bitwright/data/loader.h>

#include "train/method_stack.h"

namespace bitwright {

/// By what batch normalisation normalises: its running statistics, or those of the batch, by which
/// it then also moves the running ones.
enum class BatchStatistics { running, of_the_batch };

/// Works on copies of the weights, written by the transforms or the caller: nothing of the training
/// state is touched, so there is nothing to restore.
class EvaluationStep final : private ForwardHooks {
 public:
  EvaluationStep(Network& network, MethodStack& methods, const BatchShape& batch,
                 DType precision = DType::f32,
                 BatchStatistics statistics = BatchStatistics::running,
                 ForwardHooks* after_methods = nullptr);

  void deploy(Deployment deployment);  ///< what run() evaluates from now on
  /// The same with weights that the caller writes.
  void deploy(const std::function<void(const Parameter&, Tensor&)>& write);

  using Weights = std::vector<std::pair<const Parameter*, Tensor>>;
  const Weights& deployed() const { return weights_; }  ///< what run() works with

  BatchTensors& batch() { return batch_; }  ///< to be filled before run()
  float* images() { return batch_.images.f32(); }
  std::int32_t* labels() { return batch_.labels.i32(); }
  /// Of the first `valid` images: the sum of their cross-entropies in nats, and how many are right.
  struct Sums {
    double loss = 0;
    std::int64_t correct = 0;
  };
  Sums run(std::int64_t valid);

  void observe(TapeObserver* observer) { tape_.observe(observer); }

 private:
  Variable parameter(Forward& forward, const Parameter& parameter) override;
  Variable trained(Forward& forward, const Tensor& value) override;
  Variable layer_input(Forward& forward, const Layer& layer, const Variable& x) override;
  Variable layer_output(Forward& forward, const Layer& layer, const Variable& y) override;

  MethodStack& methods_;
  ForwardHooks* after_methods_;  // sees inputs and outputs of layers last; may be null
  BatchTensors batch_;
  Tensor probabilities_;
  Weights weights_;
  Tape tape_{Execution::planned};
  Variable logits_;
};

}  // namespace bitwright
