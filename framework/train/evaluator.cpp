#include "train/evaluator.h"

#include <utility>

namespace bitwright {

Evaluator::Evaluator(Network& network, MethodStack& methods,
                     std::unique_ptr<EvaluationLoader> loader, DType precision)
    : loader_(std::move(loader)), step_(network, methods, loader_->shape(), precision) {}

Evaluation Evaluator::run(Deployment deployment) {
  step_.deploy(deployment);
  return evaluate_all(*loader_, step_.batch(), [this](std::int64_t n) { return step_.run(n); });
}

Evaluation evaluate_all(EvaluationLoader& loader, BatchTensors& batch,
                        const std::function<EvaluationStep::Sums(std::int64_t)>& run) {
  double loss = 0;
  std::int64_t correct = 0, count = 0;
  loader.rewind();
  while (const std::int64_t valid = loader.next(batch)) {
    const EvaluationStep::Sums sums = run(valid);
    loss += sums.loss;
    correct += sums.correct;
    count += valid;
  }
  const double n = static_cast<double>(count);
  return {loss / n, static_cast<double>(correct) / n};
}

}  // namespace bitwright
