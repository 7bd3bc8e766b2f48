#pragma once
// Loss and accuracy of the deployed network on a fixed set of images.

#include <functional>
#include <memory>

#include <bitwright/data/loader.h>

#include "train/evaluation_step.h"

namespace bitwright {

struct Evaluation {
  double loss = 0;      ///< mean cross-entropy, nats
  double accuracy = 0;  ///< fraction of images, top-1
};

/// Loss and accuracy over all images of a loader, whose batches are put into `batch`; `run` lets
/// the first so many of one through.
Evaluation evaluate_all(EvaluationLoader& loader, BatchTensors& batch,
                        const std::function<EvaluationStep::Sums(std::int64_t)>& run);

class Evaluator {
 public:
  Evaluator(Network& network, MethodStack& methods, std::unique_ptr<EvaluationLoader> loader,
            DType precision = DType::f32);
  Evaluation run(Deployment deployment);
  /// The weights of the last run.
  const EvaluationStep::Weights& deployed() const { return step_.deployed(); }
  void observe(TapeObserver* observer) { step_.observe(observer); }

 private:
  std::unique_ptr<EvaluationLoader> loader_;
  EvaluationStep step_;
};

}  // namespace bitwright
