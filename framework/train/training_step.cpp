#include "train/training_step.h"

#include <algorithm>

#include "kernels/softmax.h"

namespace bitwright {

TrainingStep::TrainingStep(Network& network, MethodStack& methods, const BatchShape& b)
    : images_(Tensor::empty({Shape{b.n, b.c, b.h, b.w}, DType::f32, Layout::channels_last})),
      labels_(Tensor::empty({Shape{b.n}, DType::i32})) {
  images_.fill(0);
  std::fill_n(labels_.i32(), b.n, 0);
  std::vector<Tensor> kept;
  for (const Buffer& buffer : network.buffers()) kept.push_back(buffer.value.clone());

  Forward forward(tape_, true, methods);
  logits_ = network.forward(forward, tape_.constant(images_));
  const LabelScope label(tape_, "loss");
  loss_ = methods.total_loss(forward, cross_entropy(logits_, tape_.constant(labels_)));

  auto saved = kept.begin();
  for (Buffer& buffer : network.buffers()) buffer.value.copy_from(*saved++);
}

double TrainingStep::run() {
  tape_.forward();
  tape_.backward(loss_);
  return static_cast<double>(loss_.value().item());
}

std::int64_t TrainingStep::correct() const {
  const Tensor& logits = logits_.value();
  return kernels::count_correct(logits.shape()[0], logits.shape()[1], logits.f32(), labels_.i32());
}

}  // namespace bitwright
