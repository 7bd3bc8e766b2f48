#include "kernels/optimizer_steps.h"
#include "optim/optimizers.h"
#include "optim/slots.h"

namespace bitwright {
namespace {

class Sgd final : public SlotOptimizer {
 public:
  explicit Sgd(const Settings& s)
      : SlotOptimizer(s.real("learning_rate"), {"velocity"}),
        momentum_(s.real("momentum")),
        weight_decay_(s.real("weight_decay")),
        nesterov_(s.boolean("nesterov")) {}

 private:
  void update(OptimizerSlot& slot, double learning_rate) override {
    const kernels::SgdStep step{.learning_rate = static_cast<float>(learning_rate),
                                .momentum = static_cast<float>(momentum_),
                                .weight_decay = static_cast<float>(weight_decay_),
                                .nesterov = nesterov_};
    kernels::sgd_step(slot.tensor.value.numel(), step, slot.tensor.gradient.f32(),
                      slot.tensor.value.f32(), slot.state[0].f32());
  }

  double momentum_, weight_decay_;
  bool nesterov_;
};

}  // namespace

Options sgd_options() {
  return Options{}
      .real("learning_rate", "step size")
      .above(0)
      .real("momentum", 0, "decay of the velocity")
      .min(0)
      .max(1)
      .boolean("nesterov", false, "look-ahead form of momentum")
      .real("weight_decay", 0, "L2 term added to the gradient")
      .min(0);
}

std::unique_ptr<Optimizer> make_sgd(const Settings& s) { return std::make_unique<Sgd>(s); }

}  // namespace bitwright
