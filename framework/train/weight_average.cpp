#include "train/weight_average.h"

#include <algorithm>

#include "kernels/optimizer_steps.h"

namespace bitwright {

WeightAverage::WeightAverage(const std::vector<Optimized>& tensors, const AverageOptions& options)
    : options_(options) {
  if (!kept()) return;
  for (const Optimized& tensor : tensors)
    slots_.push_back({tensor.name, tensor.value, tensor.value.clone()});
}

void WeightAverage::update() {
  const double t = static_cast<double>(updates_++);
  double decay = options_.decay;
  if (options_.warm_up) decay = std::min(decay, (1 + t) / (10 + t));
  if (t == 0) decay = 0;  // clips and steps of quantizers may have got their start in this update
  for (Slot& slot : slots_)
    kernels::average_step(slot.value.numel(), static_cast<float>(1 - decay), slot.value.f32(),
                          slot.average.f32());
}

void WeightAverage::freeze(const std::string& name) { restart(name); }

void WeightAverage::restart(const std::string& name) {
  for (Slot& slot : slots_)
    if (slot.name == name) slot.average.copy_from(slot.value);
}

void WeightAverage::swap() {
  for (Slot& slot : slots_)
    kernels::exchange(slot.value.numel(), slot.value.f32(), slot.average.f32());
}

void WeightAverage::visit(StateVisitor& visitor) {
  if (!kept()) return;
  const StateScope scope(visitor, "average");
  visitor.integer("updates", updates_);
  for (Slot& slot : slots_) visitor.tensor(slot.name, slot.average);
}

}  // namespace bitwright
