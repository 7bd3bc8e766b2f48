#pragma once

#include <bitwright/tensor/memory_state.h>

#include "train/method_stack.h"
#include "train/stage_work.h"

namespace bitwright {

/// A stage without updates: the network is validated once, as its methods deploy it. On the step
/// axis of the run that counts as one step.
class SingleEvaluation final : public StageWork {
 public:
  SingleEvaluation(Network& network, MethodStack& methods, Evaluator& validation)
      : network_(network), methods_(methods), validation_(validation) {}

  bool run(TrainingObserver& observer) override;
  void observe(StepObserver* observer) override;
  std::int64_t steps_done() const override { return done_; }
  std::int64_t selected_step() const override { return done_; }
  double selected_accuracy() const override { return accuracy_; }
  void restore_selected() override {}
  void keep() override {}
  void restore_kept() override {}
  AveragedScope evaluated_weights() override { return AveragedScope(none_); }
  void visit(StateVisitor& visitor) override;

 private:
  Network& network_;
  MethodStack& methods_;
  Evaluator& validation_;
  WeightAverage none_;
  std::int64_t done_ = 0;
  double accuracy_ = -1;
};

}  // namespace bitwright
