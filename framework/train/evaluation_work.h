#pragma once
// What stages without updates share: the network stays as it is, so that nothing has to be kept or
// selected, and the state is how far they are.

#include "train/method_stack.h"
#include "train/stage_work.h"

namespace bitwright {

class EvaluationWork : public StageWork {
 public:
  EvaluationWork(Network& network, MethodStack& methods, Evaluator& validation)
      : network_(network), methods_(methods), validation_(validation) {}

  void observe(StepObserver* observer) override { validation_.observe(observer); }
  std::int64_t steps_done() const final { return done_; }
  std::int64_t selected_step() const final { return done_; }
  double selected_accuracy() const final { return accuracy_; }
  void restore_selected() final {}
  void keep() final {}
  void restore_kept() final {}
  AveragedScope evaluated_weights() final { return AveragedScope(none_); }
  void visit(StateVisitor& visitor) final;

 protected:
  Network& network_;
  MethodStack& methods_;
  Evaluator& validation_;
  std::int64_t done_ = 0;  // evaluations, each of which counts as one step
  double accuracy_ = -1;

 private:
  WeightAverage none_;
};

}  // namespace bitwright
