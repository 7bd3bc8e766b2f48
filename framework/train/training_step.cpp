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
    loss_ = methods.total_loss(forward,
                               batch_.targets.defined()
                                   ? soft_cross_entropy(logits_, tape_.constant(batch_.targets))
                                   : cross_entropy(logits_, tape_.constant(batch_.labels)));
  }
  std::vector<Variable> kept = methods.loss_terms();
  kept.push_back(logits_);
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

// One batch. The first one of an update begins it.
double TrainingStep::forward_and_backward(const StepInfo& now) {
  if (gradients_.kept() == 0) {
    earlier_losses_ = 0;
    earlier_correct_ = 0;
    in_phase(observer_, Phase::methods, [&] { methods_.before_step(now); });
  }
  in_phase(observer_, Phase::tape, [&] {
    tape_.forward();
    tape_.backward(loss_);
  });
  const double loss = static_cast<double>(loss_.value().item());
  if (!std::isfinite(loss))
    throw Diverged(now.step + 1, fmt::format("the loss is {} at step {}", loss, now.step + 1));
  return loss;
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
  bool accepted = true;
  in_phase(observer_, Phase::methods, [&] { accepted = methods_.after_backward(now); });
  if (accepted) in_phase(observer_, Phase::optimizer, [&] { step(now); });
  in_phase(observer_, Phase::methods, [&] { methods_.after_update(now); });
  if (accepted && average_.kept())
    in_phase(observer_, Phase::optimizer, [&] { average_.update(); });
  return (earlier_losses_ + last_loss) / batches;
}

void TrainingStep::step(const StepInfo& now) {
  gradient_norm_ = gradients_.clip();
  if (gradient_norm_ && !std::isfinite(*gradient_norm_))
    throw Diverged(now.step + 1, fmt::format("the norm of the gradients is {} at step {}",
                                             *gradient_norm_, now.step + 1));
  optimizer_.step(now.learning_rate);
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
