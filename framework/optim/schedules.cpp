// Learning-rate schedules. Step t = 0 always has factor 1: no decay before the first update.
#include "optim/schedules.h"

#include <algorithm>
#include <cmath>

#include <bitwright/core/registry.h>
#include <bitwright/optim/optimizer.h>

namespace bitwright {
namespace {

class Constant final : public Schedule {
 public:
  double factor(std::int64_t, std::int64_t) const override { return 1; }
};

class StepSchedule final : public Schedule {
 public:
  explicit StepSchedule(const Settings& s)
      : interval_(s.integer("interval")), factor_(s.real("factor")) {}
  double factor(std::int64_t step, std::int64_t) const override {
    return std::pow(factor_, static_cast<double>(step / interval_));
  }

 private:
  std::int64_t interval_;
  double factor_;
};

class MultiStep final : public Schedule {
 public:
  explicit MultiStep(const Settings& s)
      : milestones_(s.integers("milestones")), factor_(s.real("factor")) {
    if (!std::is_sorted(milestones_.begin(), milestones_.end(), std::less_equal<>{}))
      throw config_error(s.where("milestones"), "milestones do not increase",
                         "steps in strictly increasing order", "sort them and remove repetitions");
  }
  double factor(std::int64_t step, std::int64_t) const override {
    const auto passed = std::upper_bound(milestones_.begin(), milestones_.end(), step);
    return std::pow(factor_, static_cast<double>(passed - milestones_.begin()));
  }

 private:
  std::vector<std::int64_t> milestones_;
  double factor_;
};

}  // namespace

void register_schedules(Registries& registries) {
  registries.schedules.add({"constant", "the optimizer's rate throughout", "", {}},
                           [](const Settings&) { return std::make_unique<Constant>(); });
  registries.schedules.add({"step", "multiplied by `factor` every `interval` steps", "",
                            Options{}
                                .integer("interval", "steps between two decays")
                                .unit("steps")
                                .min(1)
                                .real("factor", "what the rate is multiplied by")
                                .above(0)
                                .max(1)},
                           [](const Settings& s) { return std::make_unique<StepSchedule>(s); });
  registries.schedules.add({"multi_step", "multiplied by `factor` at each milestone", "",
                            Options{}
                                .integers("milestones", {}, "steps at which the rate decays")
                                .unit("steps")
                                .min(1)
                                .real("factor", "what the rate is multiplied by")
                                .above(0)
                                .max(1)},
                           [](const Settings& s) { return std::make_unique<MultiStep>(s); });
}

}  // namespace bitwright
