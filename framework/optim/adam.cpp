// Adam, and AdamW, which differs in how weight decay enters.
#include <cmath>

#include "kernels/optimizer_steps.h"
#include "optim/optimizers.h"
#include "optim/slots.h"
#include "optim/weight_decay.h"

namespace bitwright {
namespace {

class Adam final : public SlotOptimizer {
 public:
  Adam(const Settings& s, kernels::Decay decay)
      : SlotOptimizer(s, {"first_moment", "second_moment"}),
        beta1_(s.real("beta1")),
        beta2_(s.real("beta2")),
        epsilon_(s.real("epsilon")),
        decay_(decay) {
    for (const char* beta : {"beta1", "beta2"})
      if (s.real(beta) == 1)
        throw config_error(s.where(beta), "a moment that decays by 1 never takes in a gradient",
                           "a number below 1");
  }

 private:
  void update(OptimizerSlot& slot, double learning_rate) override {
    const double t = static_cast<double>(steps());
    const kernels::AdamStep step{
        .learning_rate = learning_rate,
        .beta1 = beta1_,
        .beta2 = beta2_,
        .epsilon = epsilon_,
        .weight_decay = slot.weight_decay,
        .correction1 = 1 - std::pow(beta1_, t),
        .correction2 = 1 - std::pow(beta2_, t),
        .decay = decay_,
    };
    kernels::adam_step(slot.tensor.value.numel(), step, slot.tensor.gradient.f32(),
                       slot.tensor.value.f32(), slot.state[0].f32(), slot.state[1].f32());
  }

  double beta1_, beta2_, epsilon_;
  kernels::Decay decay_;
};

Options moment_options() {
  Options o;
  o.real("learning_rate", "step size").symbol("alpha").above(0);
  o.real("beta1", 0.9, "decay of the first moment").min(0).max(1);
  o.real("beta2", 0.999, "decay of the second moment").min(0).max(1);
  o.real("epsilon", 1e-8, "added to the root of the second moment").above(0);
  return o;
}

}  // namespace

Options adam_options() {
  Options o = moment_options();
  WeightDecay::declare(o, 0, "L2: the gradient gains this times the weight");
  return o;
}

Options adamw_options() {
  Options o = moment_options();
  WeightDecay::declare(o, 0.01, "decoupled: the weight shrinks by the factor 1 - rate * this");
  return o;
}

std::unique_ptr<Optimizer> make_adam(const Settings& s) {
  return std::make_unique<Adam>(s, kernels::Decay::l2);
}

std::unique_ptr<Optimizer> make_adamw(const Settings& s) {
  return std::make_unique<Adam>(s, kernels::Decay::decoupled);
}

}  // namespace bitwright
