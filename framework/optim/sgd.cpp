#include "kernels/optimizer_steps.h"
#include "optim/optimizers.h"
#include "optim/slots.h"
#include "optim/weight_decay.h"

namespace bitwright {
namespace {

class Sgd final : public SlotOptimizer {
 public:
  explicit Sgd(const Settings& s)
      : SlotOptimizer(s, s.real("momentum") > 0 ? Names{"velocity"} : Names{}),
        momentum_(s.real("momentum")),
        dampening_(s.real("dampening")),
        nesterov_(s.boolean("nesterov")),
        decay_(s.text("decay") == "l2" ? kernels::Decay::l2 : kernels::Decay::decoupled) {
    const auto refuse = [&](const char* option, const char* what, const char* expected) {
      throw config_error(s.where(option), what, expected, "change one of the two");
    };
    if (nesterov_ && momentum_ == 0)
      refuse("nesterov", "Nesterov's form needs momentum", "momentum above 0");
    if (nesterov_ && dampening_ > 0)
      refuse("nesterov", "Nesterov's form allows no dampening", "dampening: 0");
    if (dampening_ > 0 && momentum_ == 0)
      refuse("dampening", "dampening without momentum has no effect", "momentum above 0");
  }

 private:
  void update(OptimizerSlot& slot, double learning_rate) override {
    const kernels::SgdStep step{
        .learning_rate = learning_rate,
        .momentum = momentum_,
        .dampening = steps() == 1 ? 0 : dampening_,
        .weight_decay = slot.weight_decay,
        .nesterov = nesterov_,
        .decay = decay_,
    };
    const std::int64_t n = slot.tensor.value.numel();
    const float* const gradient = slot.tensor.gradient.f32();
    if (slot.state.empty()) return kernels::sgd_step(n, step, gradient, slot.tensor.value.f32());
    kernels::sgd_step(n, step, gradient, slot.tensor.value.f32(), slot.state[0].f32());
  }

  double momentum_, dampening_;
  bool nesterov_;
  kernels::Decay decay_;
};

}  // namespace

Options sgd_options() {
  Options o;
  o.real("learning_rate", "step size").symbol("eta").above(0);
  o.real("momentum", 0, "decay of the velocity").symbol("mu").min(0).max(1);
  o.real("dampening", 0,
         "the velocity takes in the gradient times 1 - dampening; the first step takes all of it")
      .min(0)
      .max(1);
  o.boolean("nesterov", false, "step along the gradient plus momentum times the new velocity");
  WeightDecay::declare(o, 0, "strength of the decay of weights");
  o.choice("decay", {"l2", "decoupled"}, "l2",
           "l2: the gradient gains weight_decay times the weight; decoupled: the weight shrinks by "
           "the factor 1 - rate weight_decay, past the velocity (arXiv:1711.05101)");
  return o;
}

std::unique_ptr<Optimizer> make_sgd(const Settings& s) { return std::make_unique<Sgd>(s); }

}  // namespace bitwright
