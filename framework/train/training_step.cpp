#include "train/training_step.h"

#include <array>
#include <cmath>

#include <fmt/format.h>

#include "kernels/softmax.h"
#include "train/precision.h"

namespace bitwright {

TrainingStep::TrainingStep(Network& network, MethodStack& methods, Optimizer& optimizer,
                           const BatchShape& b, DType precision, const UpdateOptions& options)
    : methods_(methods), optimizer_(optimizer), batch_(b) {
  Forward forward(tape_, true, methods);
  logits_ = bitwright::logits(network, forward, tape_.constant(batch_.images), precision);
  {
    const LabelScope label(tape_, "loss");
    data_loss_ = batch_.targets.defined()
                     ? soft_cross_entropy(logits_, tape_.constant(batch_.targets))
                     : cross_entropy(logits_, tape_.constant(batch_.labels));
    loss_ = methods.total_loss(forward, data_loss_);
  }
  std::vector<Variable> kept = methods.loss_terms();
  kept.insert(kept.end(), {data_loss_, logits_});
  tape_.plan(kept, loss_);
  const std::vector<Optimized> optimized = methods_.optimized();
  gradients_ = Gradients(optimized, options.clip);
  average_ = WeightAverage(optimized, options.average);
  optimizer_.attach(optimized);
}

void TrainingStep::observe(StepObserver* observer) {
  observer_ = observer;
  tape_.observe(observer);
}

void TrainingStep::guard(Watchdog* watchdog) {
  watchdog_ = watchdog;
  if (watchdog_) watchdog_->step_is_traced();
}

// One batch. The first one of an update begins it.
double TrainingStep::forward_and_backward(const StepInfo& now) {
  if (gradients_.kept() == 0) {
    earlier_losses_ = 0;
    earlier_correct_ = 0;
    data_losses_ = 0;
    healthy_ = true;
    in_phase(observer_, Phase::methods, [&] { methods_.before_step(now); });
  }
  in_phase(observer_, Phase::tape, [&] {
    tape_.forward();
    tape_.backward(loss_);
  });
  const double loss = static_cast<double>(loss_.value().item());
  data_losses_ += static_cast<double>(data_loss_.value().item());
  healthy_ = loss_is_healthy(now, loss) && healthy_;
  return loss;
}

bool TrainingStep::loss_is_healthy(const StepInfo& now, double loss) const {
  if (watchdog_) return watchdog_->loss_is_healthy(now, loss);
  if (!std::isfinite(loss))
    throw Diverged(now.step + 1, fmt::format("the loss is {} at step {}", loss, now.step + 1));
  return true;
}

void TrainingStep::accumulate(const StepInfo& now) {
  earlier_losses_ += forward_and_backward(now);
  earlier_correct_ += correct_in_batch();
  in_phase(observer_, Phase::optimizer, [&] { gradients_.keep(); });
}

double TrainingStep::update(const StepInfo& now) {
  const double last_loss = forward_and_backward(now);
  const double batches = static_cast<double>(gradients_.kept() + 1);
  if (batches > 1) in_phase(observer_, Phase::optimizer, [&] { gradients_.average(); });
  data_losses_ /= batches;
  bool accepted = true;
  in_phase(observer_, Phase::methods, [&] { accepted = methods_.after_backward(now) && healthy_; });
  if (accepted) in_phase(observer_, Phase::optimizer, [&] { accepted = step(now); });
  in_phase(observer_, Phase::methods, [&] { methods_.after_update(now); });
  if (accepted && average_.kept())
    in_phase(observer_, Phase::optimizer, [&] { average_.update(); });
  return (earlier_losses_ + last_loss) / batches;
}

// Whether the gradients, which it clips, may be used.
bool TrainingStep::gradients_are_healthy(const StepInfo& now) {
  if (watchdog_ && !watchdog_->gradients_are_healthy(now)) return false;
  gradient_norm_ = gradients_.clip();
  if (!gradient_norm_) return true;
  if (watchdog_) return watchdog_->gradient_norm_is_healthy(now, *gradient_norm_);
  if (!std::isfinite(*gradient_norm_))
    throw Diverged(now.step + 1, fmt::format("the norm of the gradients is {} at step {}",
                                             *gradient_norm_, now.step + 1));
  return true;
}

bool TrainingStep::step(const StepInfo& now) {
  if (!gradients_are_healthy(now)) return false;
  optimizer_.step(now.learning_rate);
  return true;
}

void TrainingStep::freeze(const std::string& name) {
  gradients_.freeze(name);
  average_.freeze(name);
  optimizer_.freeze(name);
}

void TrainingStep::restart(const std::string& name) {
  average_.restart(name);
  optimizer_.restart(name);
}

std::int64_t TrainingStep::correct() const { return earlier_correct_ + correct_in_batch(); }

std::int64_t TrainingStep::correct_in_batch() const {
  const Tensor& logits = logits_.value();
  return kernels::count_correct(logits.shape()[0], logits.shape()[1], logits.f32(),
                                batch_.labels.i32());
}

}  // namespace bitwright
