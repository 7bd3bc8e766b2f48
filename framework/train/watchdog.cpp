#include "train/watchdog.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "kernels/degenerate.h"
#include "train/finite_state.h"

namespace bitwright {

// Share of the running mean that stays in a step: it looks back about 50 steps, so that one odd
// batch is no divergence.
static constexpr double kMemory = 0.98;

Reaction WatchdogOptions::reaction(Fault fault) const {
  switch (fault) {
    case Fault::non_finite:
      return non_finite;
    case Fault::divergence:
      return divergence;
    case Fault::zero_scale:
      return zero_scale;
    case Fault::zero_layer:
      return zero_layer;
  }
  return Reaction::stop;
}

Watchdog::Watchdog(Network& network, const MethodStack& methods, const WatchdogOptions& options,
                   std::int64_t steps, std::int64_t classes)
    : network_(network),
      methods_(methods),
      options_(options),
      steps_(steps),
      guessing_(std::log(static_cast<double>(std::max<std::int64_t>(2, classes)))),
      scales_(methods.scales()),
      masters_(methods.master_weights()) {}

void Watchdog::step_is_traced() { optimized_ = methods_.optimized(); }

bool Watchdog::due(const StepInfo& now) const {
  return (now.step + 1) % options_.every == 0 || now.step + 1 == steps_;
}

void Watchdog::found(Fault fault, std::int64_t step, const std::string& where,
                     const std::string& what) {
  const Reaction reaction = options_.reaction(fault);
  if (reaction != Reaction::go_on) throw Diverged(step, what, fault, reaction);
  if (said_.insert(fmt::format("{}: {}", name_of(fault), where)).second && listener_)
    listener_({step, what});
}

// The loss alone says little; where weights or statistics are to blame, they are named. The sign of
// a NaN would be printed, and means nothing.
bool Watchdog::loss_is_healthy(const StepInfo& now, double loss) {
  if (std::isfinite(loss)) return true;
  std::string what = fmt::format("the loss is {} at step {}", std::fabs(loss), now.step + 1);
  if (const auto cause = non_finite_state(network_, optimized_))
    what += fmt::format(": {} in {}", cause->value, cause->what);
  found(Fault::non_finite, now.step + 1, "loss", what);
  return false;
}

bool Watchdog::gradients_are_healthy(const StepInfo& now) {
  if (!due(now)) return true;
  const auto bad = non_finite_gradient(optimized_);
  if (!bad) return true;
  found(Fault::non_finite, now.step + 1, bad->what,
        fmt::format("{} at step {}: {}", bad->value, now.step + 1, bad->what));
  return false;
}

bool Watchdog::gradient_norm_is_healthy(const StepInfo& now, double norm) {
  if (std::isfinite(norm)) return true;
  std::string what = fmt::format("the norm of the gradients is {} at step {}", norm, now.step + 1);
  if (const auto cause = non_finite_gradient(optimized_))
    what += fmt::format(": {} in {}", cause->value, cause->what);
  found(Fault::non_finite, now.step + 1, "gradient norm", what);
  return false;
}

void Watchdog::after_update(const StepInfo& now, double data_loss) {
  follow_loss(now, data_loss);
  if (!due(now)) return;
  check_weights(now);
  check_scales(now);
}

void Watchdog::follow_loss(const StepInfo& now, double loss) {
  if (!std::isfinite(loss)) return;  // said already, and of no use for the mean
  sum_ = kMemory * sum_ + loss;
  weight_ = kMemory * weight_ + 1;
  const double mean = sum_ / weight_;
  const double reference = std::max(guessing_, lowest_);
  if (lowest_ < std::numeric_limits<double>::max() && mean > options_.loss_factor * reference)
    found(Fault::divergence, now.step + 1, "loss",
          fmt::format("the loss has diverged at step {}: its running mean {:.4g} exceeds {} times "
                      "{:.4g}, the larger one of its lowest and of ln(classes)",
                      now.step + 1, mean, options_.loss_factor, reference));
  lowest_ = std::min(lowest_, mean);
}

void Watchdog::check_weights(const StepInfo& now) {
  const std::int64_t step = now.step + 1;
  if (const auto bad = non_finite_state(network_, optimized_))
    found(Fault::non_finite, step, bad->what,
          fmt::format("{} after the update of step {}: {}", bad->value, step, bad->what));
  for (const MasterWeight& master : masters_)
    if (kernels::all_zero(master.value.numel(), master.value.f32()))
      found(Fault::zero_layer, step, master.parameter->name,
            fmt::format("all trained values of weight '{}', layer '{}', are 0 after step {}",
                        master.parameter->name, master.parameter->layer, step));
}

void Watchdog::check_scales(const StepInfo& now) {
  for (const ScaleTensor& scale : scales_) {
    const float* const values = scale.value.f32();
    if (const auto at = kernels::first_at_most(scale.value.numel(), values, scale.collapsed_at))
      found(Fault::zero_scale, now.step + 1, scale.name,
            fmt::format("scale '{}' of a quantizer, layer '{}', has collapsed after step {}: "
                        "element {} is {:.3g}",
                        scale.name, scale.layer, now.step + 1, *at, values[*at]));
  }
}

void Watchdog::after_deployment(std::int64_t steps_done, const EvaluationStep::Weights& weights) {
  for (const auto& [parameter, value] : weights)
    if (is_weight(parameter->kind) && kernels::all_zero(value.numel(), value.f32()))
      found(Fault::zero_layer, steps_done, parameter->name,
            fmt::format("all deployed values of weight '{}', layer '{}', are 0 after step {}",
                        parameter->name, parameter->layer, steps_done));
}

void Watchdog::visit(StateVisitor& visitor) {
  const StateScope scope(visitor, "watchdog");
  visitor.real("loss_sum", sum_);
  visitor.real("loss_weight", weight_);
  visitor.real("lowest_loss", lowest_);
  std::string said;
  for (const std::string& one : said_) said += one + "\n";
  visitor.text("said", said);
  said_.clear();
  for (std::size_t begin = 0, end; (end = said.find('\n', begin)) != said.npos; begin = end + 1)
    said_.insert(said.substr(begin, end - begin));
}

bool state_is_finite(Network& network, const MethodStack& methods) {
  return !non_finite_state(network, methods.untraced());
}

}  // namespace bitwright
