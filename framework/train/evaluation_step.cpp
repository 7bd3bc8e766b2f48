#include "train/evaluation_step.h"

#include <array>

#include "kernels/softmax.h"
#include "train/precision.h"

namespace bitwright {

EvaluationStep::EvaluationStep(Network& network, MethodStack& methods, const BatchShape& b,
                               DType precision, BatchStatistics statistics,
                               ForwardHooks* after_methods)
    : methods_(methods), after_methods_(after_methods), batch_(b) {
  Forward forward(tape_, statistics == BatchStatistics::of_the_batch, *this, true);
  logits_ = logits(network, forward, tape_.constant(batch_.images), precision);
  tape_.plan(std::array{logits_});
  probabilities_ = Tensor::empty(logits_.shape());
}

Variable EvaluationStep::parameter(Forward& forward, const Parameter& parameter) {
  weights_.emplace_back(&parameter, Tensor::zeros(parameter.value.shape()));
  return forward.tape.constant(weights_.back().second);
}

Variable EvaluationStep::trained(Forward& forward, const Tensor& value) {
  return forward.tape.constant(value);
}

Variable EvaluationStep::layer_input(Forward& forward, const Layer& layer, const Variable& x) {
  const Variable input = methods_.layer_input(forward, layer, x);
  return after_methods_ ? after_methods_->layer_input(forward, layer, input) : input;
}

Variable EvaluationStep::layer_output(Forward& forward, const Layer& layer, const Variable& y) {
  const Variable output = methods_.layer_output(forward, layer, y);
  return after_methods_ ? after_methods_->layer_output(forward, layer, output) : output;
}

void EvaluationStep::deploy(Deployment deployment) {
  deploy([&](const Parameter& parameter, Tensor& weight) {
    methods_.write_deployed(parameter, deployment, weight);
  });
}

void EvaluationStep::deploy(const std::function<void(const Parameter&, Tensor&)>& write) {
  for (auto& [parameter, weight] : weights_) write(*parameter, weight);
}

EvaluationStep::Sums EvaluationStep::run(std::int64_t valid) {
  tape_.forward();
  const std::int64_t classes = logits_.shape()[1];
  const float* logits = logits_.value().f32();
  const double mean = kernels::softmax_cross_entropy(valid, classes, logits, batch_.labels.i32(),
                                                     probabilities_.f32());
  return {static_cast<double>(valid) * mean,
          kernels::count_correct(valid, classes, logits, batch_.labels.i32())};
}

}  // namespace bitwright
