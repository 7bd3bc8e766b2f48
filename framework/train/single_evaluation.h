#pragma once

#include "train/evaluation_work.h"

namespace bitwright {

/// A stage without updates: the network is validated once, as its methods deploy it. On the step
/// axis of the run that counts as one step.
class SingleEvaluation final : public EvaluationWork {
 public:
  using EvaluationWork::EvaluationWork;
  bool run(TrainingObserver& observer) override;
};

}  // namespace bitwright
