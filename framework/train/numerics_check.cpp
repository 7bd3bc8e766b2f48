#include "train/numerics_check.h"

#include <fmt/format.h>

#include "train/finite_state.h"
#include "train/training_step.h"

namespace bitwright {

NumericsCheck::NumericsCheck(Network& network, const MethodStack& methods)
    : network_(network), optimized_(methods.optimized()) {}

void NumericsCheck::step_begins(const StepInfo& info) {
  const bool first = step_ == 0;
  step_ = info.step + 1;
  if (first) check_state(fmt::format("before step {}", step_));
}

void NumericsCheck::step_ends() { check_state(fmt::format("after the update of step {}", step_)); }

void NumericsCheck::check_state(const std::string& when) const {
  if (const auto found = non_finite_state(network_, optimized_))
    throw Diverged(step_, fmt::format("{} {}: {}", found->value, when, found->what));
}

void NumericsCheck::after(const Event& event) {
  for (std::size_t i = 0; i < event.results.size(); ++i)
    if (const auto value = non_finite_value(event.results[i]))
      throw Diverged(step_, fmt::format("{} {} step {}: {}", *value,
                                        evaluating_ ? "in the evaluation after" : "at", step_,
                                        describe(event, i)));
}

std::string NumericsCheck::describe(const Event& event, std::size_t result) const {
  const std::string where = fmt::format("op '{}', layer '{}'", event.tape.op(event.node).name(),
                                        event.tape.label(event.node));
  if (event.pass == Pass::forward) return "activation, output of " + where;
  for (const Optimized& o : optimized_)
    if (o.gradient.data() == event.results[result].data())
      return fmt::format("gradient of weight '{}', from {}", o.name, where);
  return "gradient of the input of " + where;
}

}  // namespace bitwright
