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

void SingleEvaluation::observe(StepObserver* observer) { validation_.observe(observer); }

void SingleEvaluation::visit(StateVisitor& visitor) {
  {
    const StateScope scope(visitor, "current");
    {
      const StateScope network(visitor, "network");
      network_.visit(visitor);
    }
    const StateScope methods(visitor, "methods");
    methods_.visit(visitor);
  }
  const StateScope scope(visitor, "progress");
  visitor.integer("step", done_);
  visitor.real("best_accuracy", accuracy_);
}

}  // namespace bitwright
