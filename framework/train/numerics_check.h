#pragma once
// Where NaN and Inf first appear.

#include <cstdint>
#include <string>
#include <vector>

#include "train/method_stack.h"
#include "train/step_observer.h"

namespace bitwright {

/// Looks at everything that a step writes: each op's outputs and gradients as they appear, then
/// weights and statistics once the step has updated them. At the first value that is NaN or Inf it
/// throws Diverged, whose message names the step, the tensor, the op and the layer.
class NumericsCheck final : public StepObserver {
 public:
  /// Of a stage whose step is traced: `methods` knows the gradients.
  NumericsCheck(Network& network, const MethodStack& methods);

  void step_begins(const StepInfo& info) override;
  void step_ends() override;
  void enter(Phase phase) override { evaluating_ = phase == Phase::evaluation; }
  void leave(Phase) override { evaluating_ = false; }
  void after(const Event& event) override;

 private:
  void check_state(const std::string& when) const;
  std::string describe(const Event& event, std::size_t result) const;

  Network& network_;
  const std::vector<Optimized> optimized_;
  std::int64_t step_ = 0;  // of the stage, from 1
  bool evaluating_ = false;
};

}  // namespace bitwright
