#pragma once
// Loss and accuracy of the deployed network on a fixed set of images.

#include <memory>

#include <bitwright/data/loader.h>

#include "train/evaluation_step.h"

namespace bitwright {

struct Evaluation {
  double loss = 0;      ///< mean cross-entropy, nats
  double accuracy = 0;  ///< fraction of images, top-1
};

class Evaluator {
 public:
  Evaluator(Network& network, MethodStack& methods, std::unique_ptr<EvaluationLoader> loader,
            DType precision = DType::f32);
  Evaluation run(Deployment deployment);
  void observe(TapeObserver* observer) { step_.observe(observer); }

 private:
  std::unique_ptr<EvaluationLoader> loader_;
  EvaluationStep step_;
};

}  // namespace bitwright
