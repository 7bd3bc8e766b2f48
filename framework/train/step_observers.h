#pragma once
// Several observers of the same steps, as one.

#include <vector>

#include "train/step_observer.h"

namespace bitwright {

/// Tells each of them, in the order in which they were added. They must outlive it.
class StepObservers final : public StepObserver {
 public:
  void add(StepObserver& observer) { all_.push_back(&observer); }
  bool empty() const { return all_.empty(); }

  void step_begins(const StepInfo& info) override {
    for (StepObserver* o : all_) o->step_begins(info);
  }
  void step_ends() override {
    for (StepObserver* o : all_) o->step_ends();
  }
  void enter(Phase phase) override {
    for (StepObserver* o : all_) o->enter(phase);
  }
  void leave(Phase phase) override {
    for (StepObserver* o : all_) o->leave(phase);
  }
  void before(const Event& event) override {
    for (StepObserver* o : all_) o->before(event);
  }
  void after(const Event& event) override {
    for (StepObserver* o : all_) o->after(event);
  }

 private:
  std::vector<StepObserver*> all_;
};

}  // namespace bitwright
