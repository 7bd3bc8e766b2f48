#include "train/evaluator.h"

#include <utility>

namespace bitwright {

Evaluator::Evaluator(Network& network, MethodStack& methods,
                     std::unique_ptr<EvaluationLoader> loader, DType precision)
    : loader_(std::move(loader)), step_(network, methods, loader_->shape(), precision) {}

Evaluation Evaluator::run(Deployment deployment) {
  step_.deploy(deployment);
  double loss = 0;
  std::int64_t correct = 0, count = 0;
  loader_->rewind();
  while (const std::int64_t valid = loader_->next(step_.batch())) {
    const EvaluationStep::Sums sums = step_.run(valid);
    loss += sums.loss;
    correct += sums.correct;
    count += valid;
  }
  const double n = static_cast<double>(count);
  return {loss / n, static_cast<double>(correct) / n};
}

}  // namespace bitwright
