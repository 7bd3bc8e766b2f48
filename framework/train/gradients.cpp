#include "train/gradients.h"

#include <cmath>

#include "kernels/elementwise.h"
#include "kernels/gradients.h"

namespace bitwright {

Gradients::Gradients(std::vector<Optimized> tensors, const ClipOptions& clip) : clip_(clip) {
  for (Optimized& tensor : tensors) slots_.push_back({std::move(tensor), {}, false});
}

void Gradients::keep() {
  for (Slot& slot : slots_) {
    const Tensor& gradient = slot.tensor.gradient;
    if (!slot.sum.defined()) slot.sum = Tensor::empty(gradient.spec());
    if (kept_ == 0)
      slot.sum.copy_from(gradient);
    else
      kernels::accumulate(gradient.numel(), gradient.f32(), slot.sum.f32());
  }
  ++kept_;
}

void Gradients::average() {
  if (kept_ == 0) return;
  const float factor = 1.0f / static_cast<float>(kept_ + 1);
  for (Slot& slot : slots_)
    kernels::add_and_scale(slot.sum.numel(), slot.sum.f32(), factor, slot.tensor.gradient.f32());
  kept_ = 0;
}

double Gradients::norm() const {
  double squares = 0;
  for (const Slot& slot : slots_)
    if (!slot.frozen)
      squares += kernels::sum_of_squares(slot.tensor.gradient.numel(), slot.tensor.gradient.f32());
  return std::sqrt(squares);
}

std::optional<double> Gradients::clip() {
  if (clip_.value)
    for (Slot& slot : slots_)
      if (!slot.frozen)
        kernels::clamp(slot.tensor.gradient.numel(), static_cast<float>(*clip_.value),
                       slot.tensor.gradient.f32());
  if (!clip_.norm) return {};
  const double before = norm();
  if (std::isfinite(before) && before > *clip_.norm)
    for (Slot& slot : slots_)
      if (!slot.frozen)
        kernels::scale(slot.tensor.gradient.numel(), static_cast<float>(*clip_.norm / before),
                       slot.tensor.gradient.f32());
  return before;
}

void Gradients::freeze(const std::string& name) {
  for (Slot& slot : slots_)
    if (slot.tensor.name == name) slot.frozen = true;
}

}  // namespace bitwright
