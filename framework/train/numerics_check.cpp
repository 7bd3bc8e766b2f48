#include "train/numerics_check.h"

#include <fmt/format.h>

#include "kernels/finite.h"
#include "train/training_step.h"

namespace bitwright {

static kernels::Finite look_at(const Tensor& tensor) {
  kernels::Finite found = kernels::Finite::all;
  if (!tensor.defined() || !is_floating(tensor.type())) return found;
  for_float_type(tensor.type(), [&]<class T>(T*) {
    found = kernels::check_finite(tensor.numel(), tensor.as<T>());
  });
  return found;
}

static bool finite(const Tensor& tensor) { return look_at(tensor) == kernels::Finite::all; }

// "fc1" of "fc1.weight" and of "fc1.weight:0".
static std::string layer_of(const std::string& parameter) {
  return parameter.substr(0, parameter.rfind('.'));
}

NumericsCheck::NumericsCheck(Network& network, const MethodStack& methods)
    : network_(network), optimized_(methods.optimized()) {}

void NumericsCheck::fail(const Tensor& tensor, const std::string& when,
                         const std::string& what) const {
  const bool nan = look_at(tensor) == kernels::Finite::nan;
  throw Diverged(step_, fmt::format("{} {}: {}", nan ? "NaN" : "Inf", when, what));
}

void NumericsCheck::step_begins(const StepInfo& info) {
  const bool first = step_ == 0;
  step_ = info.step + 1;
  if (first) check_state(fmt::format("before step {}", step_));
}

void NumericsCheck::step_ends() { check_state(fmt::format("after the update of step {}", step_)); }

void NumericsCheck::check_state(const std::string& when) const {
  for (const Optimized& o : optimized_)
    if (!finite(o.value))
      fail(o.value, when, fmt::format("weight '{}', layer '{}'", o.name, layer_of(o.name)));
  for (const Buffer& b : network_.buffers())
    if (!finite(b.value))
      fail(b.value, when, fmt::format("statistic '{}', layer '{}'", b.name, layer_of(b.name)));
}

void NumericsCheck::after(const Event& event) {
  for (std::size_t i = 0; i < event.results.size(); ++i)
    if (!finite(event.results[i]))
      fail(event.results[i],
           fmt::format("{} step {}", evaluating_ ? "in the evaluation after" : "at", step_),
           describe(event, i));
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
