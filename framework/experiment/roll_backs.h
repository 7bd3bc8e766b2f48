#pragma once
// How often a stage was rolled back, and the learning rate that this leaves it.

#include <cmath>
#include <cstdint>

#include <bitwright/core/options.h>
#include <bitwright/core/state.h>

namespace bitwright {

class RollBacks {
 public:
  /// `watchdog`: the section of the experiment.
  explicit RollBacks(const Settings& watchdog)
      : factor_(watchdog.real("rate_factor")), most_(watchdog.integer("roll_backs")) {}

  std::int64_t most() const { return most_; }
  std::int64_t count(std::int64_t stage) const { return stage == stage_ ? count_ : 0; }
  bool used_up(std::int64_t stage) const { return count(stage) >= most_; }
  void add(std::int64_t stage) {
    count_ = count(stage) + 1;
    stage_ = stage;
  }
  /// What learning rates of the stage are multiplied by.
  double rate(std::int64_t stage) const {
    return std::pow(factor_, static_cast<double>(count(stage)));
  }
  void visit(StateVisitor& visitor) {
    const StateScope scope(visitor, "roll_backs");
    visitor.integer("stage", stage_);
    visitor.integer("count", count_);
  }

 private:
  double factor_;
  std::int64_t most_;
  std::int64_t stage_ = 0, count_ = 0;  // of the stage that was rolled back last
};

}  // namespace bitwright
