#include "train/evaluator.h"

#include "kernels/softmax.h"

namespace bitwright {

Evaluator::Evaluator(Network& network, MethodStack& methods,
                     std::unique_ptr<EvaluationLoader> loader)
    : methods_(methods), loader_(std::move(loader)) {
  const BatchShape b = loader_->shape();
  images_ = Tensor::empty({Shape{b.n, b.c, b.h, b.w}, DType::f32, Layout::channels_last});
  images_.fill(0);
  labels_ = Tensor::empty({Shape{b.n}, DType::i32});
  Forward forward(tape_, false, *this);
  logits_ = network.forward(forward, tape_.constant(images_));
  probabilities_ = Tensor::empty(logits_.shape());
}

Variable Evaluator::parameter(Forward& forward, const Parameter& parameter) {
  weights_.emplace_back(&parameter, Tensor::zeros(parameter.value.shape()));
  return forward.tape.constant(weights_.back().second);
}

Variable Evaluator::layer_input(Forward& forward, const Layer& layer, const Variable& x) {
  return methods_.layer_input(forward, layer, x);
}

Variable Evaluator::layer_output(Forward& forward, const Layer& layer, const Variable& y) {
  return methods_.layer_output(forward, layer, y);
}

Evaluation Evaluator::run(Deployment deployment) {
  for (auto& [parameter, weight] : weights_)
    methods_.write_deployed(*parameter, deployment, weight);
  const std::int64_t classes = logits_.shape()[1];
  double loss = 0;
  std::int64_t correct = 0, count = 0;
  loader_->rewind();
  while (const std::int64_t valid = loader_->next(images_.f32(), labels_.i32())) {
    tape_.forward();
    const float* logits = logits_.value().f32();
    loss +=
        static_cast<double>(valid) *
        kernels::softmax_cross_entropy(valid, classes, logits, labels_.i32(), probabilities_.f32());
    correct += kernels::count_correct(valid, classes, logits, labels_.i32());
    count += valid;
  }
  const double n = static_cast<double>(count);
  return {loss / n, static_cast<double>(correct) / n};
}

}  // namespace bitwright
