#include <cmath>

#include "kernels/optimizer_steps.h"
#include "optim/optimizers.h"
#include "optim/slots.h"

namespace bitwright {
namespace {

class Adam final : public SlotOptimizer {
 public:
  explicit Adam(const Settings& s)
      : SlotOptimizer(s.real("learning_rate"), {"first_moment", "second_moment"}),
        beta1_(s.real("beta1")),
        beta2_(s.real("beta2")),
        epsilon_(s.real("epsilon")),
        weight_decay_(s.real("weight_decay")) {}

 private:
  void update(OptimizerSlot& slot, double learning_rate) override {
    const double t = static_cast<double>(steps());
    const kernels::AdamStep step{
        .learning_rate = static_cast<float>(learning_rate),
        .beta1 = static_cast<float>(beta1_),
        .beta2 = static_cast<float>(beta2_),
        .epsilon = static_cast<float>(epsilon_),
        .weight_decay = static_cast<float>(weight_decay_),
        .correction1 = static_cast<float>(1 - std::pow(beta1_, t)),
        .correction2 = static_cast<float>(1 - std::pow(beta2_, t)),
    };
    kernels::adam_step(slot.tensor.value.numel(), step, slot.tensor.gradient.f32(),
                       slot.tensor.value.f32(), slot.state[0].f32(), slot.state[1].f32());
  }

  double beta1_, beta2_, epsilon_, weight_decay_;
};

}  // namespace

Options adam_options() {
  return Options{}
      .real("learning_rate", "step size")
      .symbol("alpha")
      .above(0)
      .real("beta1", 0.9, "decay of the first moment")
      .min(0)
      .max(1)
      .real("beta2", 0.999, "decay of the second moment")
      .min(0)
      .max(1)
      .real("epsilon", 1e-8, "added to the root of the second moment")
      .above(0)
      .real("weight_decay", 0, "L2 term added to the gradient")
      .min(0);
}

std::unique_ptr<Optimizer> make_adam(const Settings& s) { return std::make_unique<Adam>(s); }

}  // namespace bitwright
