#include "train/evaluation_work.h"

#include "train/network_state.h"

namespace bitwright {

void EvaluationWork::visit(StateVisitor& visitor) {
  {
    const StateScope scope(visitor, "current");
    visit_network(network_, methods_, visitor);
  }
  const StateScope scope(visitor, "progress");
  visitor.integer("step", done_);
  visitor.real("best_accuracy", accuracy_);
}

}  // namespace bitwright
