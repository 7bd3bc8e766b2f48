#include "train/single_evaluation.h"

namespace bitwright {

bool SingleEvaluation::run(TrainingObserver& observer) {
  if (done_ == 1) return true;
  EvaluationRecord record{1, validation_.run(Deployment::hard), methods_.measure()};
  accuracy_ = record.hard.accuracy;
  done_ = 1;
  observer.on_evaluation(record);
  return !observer.on_step_complete(done_);
}

}  // namespace bitwright
