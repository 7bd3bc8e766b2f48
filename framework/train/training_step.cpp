#include "train/training_step.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "kernels/softmax.h"
#include "train/precision.h"

namespace bitwright {

TrainingStep::TrainingStep(Network& network, MethodStack& methods, Optimizer& optimizer,
                           const BatchShape& b, DType precision)
    : methods_(methods),
      optimizer_(optimizer),
      images_(Tensor::empty({Shape{b.n, b.c, b.h, b.w}, DType::f32, Layout::channels_last})),
      labels_(Tensor::empty({Shape{b.n}, DType::i32})) {
  images_.fill(0);
  std::fill_n(labels_.i32(), b.n, 0);
  Forward forward(tape_, true, methods);
  logits_ = logits(network, forward, tape_.constant(images_), precision);
  {
    const LabelScope label(tape_, "loss");
    loss_ = methods.total_loss(forward, cross_entropy(logits_, tape_.constant(labels_)));
  }
  tape_.plan(std::array{logits_}, loss_);
  optimizer_.attach(methods_.optimized());
}

void TrainingStep::observe(StepObserver* observer) {
  observer_ = observer;
  tape_.observe(observer);
}

double TrainingStep::update(const StepInfo& now) {
  in_phase(observer_, Phase::methods, [&] { methods_.before_step(now); });
  in_phase(observer_, Phase::tape, [&] {
    tape_.forward();
    tape_.backward(loss_);
  });
  const double loss = static_cast<double>(loss_.value().item());
  if (!std::isfinite(loss))
    throw Diverged(now.step + 1, fmt::format("the loss is {} at step {}", loss, now.step + 1));
  bool accepted = true;
  in_phase(observer_, Phase::methods, [&] { accepted = methods_.after_backward(now); });
  if (accepted) in_phase(observer_, Phase::optimizer, [&] { optimizer_.step(now.learning_rate); });
  in_phase(observer_, Phase::methods, [&] { methods_.after_update(now); });
  return loss;
}

std::int64_t TrainingStep::correct() const {
  const Tensor& logits = logits_.value();
  return kernels::count_correct(logits.shape()[0], logits.shape()[1], logits.f32(), labels_.i32());
}

}  // namespace bitwright
