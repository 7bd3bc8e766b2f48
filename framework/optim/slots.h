#pragma once
// What optimizers share: the list of tensors, each with state tensors of its shape, its weight
// decay, and whether it is frozen.

#include <string>
#include <utility>
#include <vector>

#include <bitwright/core/error.h>
#include <bitwright/optim/optimizer.h>

#include "optim/weight_decay.h"

namespace bitwright {

struct OptimizerSlot {
  Optimized tensor;
  std::vector<Tensor> state;
  double weight_decay = 0;
  std::int64_t frozen = 0;
};

/// Keeps the slots; a derived optimizer names its state tensors and updates one slot.
class SlotOptimizer : public Optimizer {
 public:
  using Names = std::vector<std::string>;

  SlotOptimizer(const Settings& settings, Names state_names)
      : learning_rate_(settings.real("learning_rate")),
        weight_decay_(settings),
        state_names_(std::move(state_names)) {}

  void attach(std::vector<Optimized> tensors) override {
    weight_decay_.check(tensors);
    slots_.clear();
    for (Optimized& t : tensors) {
      const double decay = weight_decay_.of(t) * t.rule.decay;
      OptimizerSlot slot{std::move(t), {}, decay, 0};
      for (std::size_t i = 0; i < state_names_.size(); ++i)
        slot.state.push_back(Tensor::zeros(slot.tensor.value.shape()));
      slots_.push_back(std::move(slot));
    }
    steps_ = 0;
  }

  void step(double learning_rate) override {
    ++steps_;
    for (OptimizerSlot& slot : slots_)
      if (slot.frozen == 0) update(slot, learning_rate * slot.tensor.rule.rate);
  }

  void freeze(const std::string& name) override {
    for (OptimizerSlot& slot : slots_)
      if (slot.tensor.name == name) slot.frozen = 1;
    restart(name);
  }

  void restart(const std::string& name) override {
    for (OptimizerSlot& slot : slots_)
      if (slot.tensor.name == name)
        for (Tensor& t : slot.state) t.fill(0);
  }

  double learning_rate() const override { return learning_rate_; }

  void visit(StateVisitor& visitor) override {
    visitor.integer("steps", steps_);
    for (OptimizerSlot& slot : slots_) {
      const StateScope scope(visitor, slot.tensor.name);
      visitor.integer("frozen", slot.frozen);
      for (std::size_t i = 0; i < slot.state.size(); ++i)
        visitor.tensor(state_names_[i], slot.state[i]);
    }
  }

 protected:
  virtual void update(OptimizerSlot& slot, double learning_rate) = 0;
  std::int64_t steps() const { return steps_; }  ///< this update included

 private:
  double learning_rate_;
  WeightDecay weight_decay_;
  Names state_names_;
  std::vector<OptimizerSlot> slots_;
  std::int64_t steps_ = 0;
};

}  // namespace bitwright
