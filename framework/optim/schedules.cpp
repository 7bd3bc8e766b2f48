// Learning-rate schedules. Step t = 0 always has the first factor: no decay before the first
// update.
#include "optim/schedules.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <bitwright/core/registry.h>

namespace bitwright {
namespace {

class Constant final : public Schedule {
 public:
  double factor(std::int64_t, const Horizon&) const override { return 1; }
};

class StepSchedule final : public Schedule {
 public:
  explicit StepSchedule(const Settings& s)
      : interval_(s.length("interval")), factor_(s.real("factor")) {}
  double factor(std::int64_t step, const Horizon& horizon) const override {
    return std::pow(factor_, static_cast<double>(step / interval_.steps(horizon)));
  }

 private:
  Length interval_;
  double factor_;
};

class MultiStep final : public Schedule {
 public:
  explicit MultiStep(const Settings& s)
      : milestones_(s.lengths("milestones")), factor_(s.real("factor")) {
    // Lengths in different units can be compared only once the horizon is known.
    const auto increases = [](const Length& a, const Length& b) {
      return a.unit != b.unit || a.amount < b.amount;
    };
    for (std::size_t i = 1; i < milestones_.size(); ++i)
      if (!increases(milestones_[i - 1], milestones_[i]))
        throw config_error(s.where("milestones"), "milestones do not increase",
                           "strictly increasing lengths", "sort them and remove repetitions");
  }
  double factor(std::int64_t step, const Horizon& horizon) const override {
    const auto passed = std::count_if(milestones_.begin(), milestones_.end(),
                                      [&](const Length& m) { return m.steps(horizon) <= step; });
    return std::pow(factor_, static_cast<double>(passed));
  }

 private:
  std::vector<Length> milestones_;
  double factor_;
};

// How much of the horizon has passed, 0 to 1.
double progress(std::int64_t step, const Horizon& horizon) {
  return std::clamp(static_cast<double>(step) / static_cast<double>(horizon.steps), 0.0, 1.0);
}

// From 1 to end_factor along half a period of a cosine (Loshchilov and Hutter 2017, equation 5,
// without restarts).
class Cosine final : public Schedule {
 public:
  explicit Cosine(const Settings& s) : end_(s.real("end_factor")) {}
  double factor(std::int64_t step, const Horizon& horizon) const override {
    const double x = progress(step, horizon);
    return end_ + (1 - end_) * 0.5 * (1 + std::cos(std::numbers::pi * x));
  }

 private:
  double end_;
};

class Linear final : public Schedule {
 public:
  explicit Linear(const Settings& s) : start_(s.real("start_factor")), end_(s.real("end_factor")) {}
  double factor(std::int64_t step, const Horizon& horizon) const override {
    return std::lerp(start_, end_, progress(step, horizon));
  }

 private:
  double start_, end_;
};

class Polynomial final : public Schedule {
 public:
  explicit Polynomial(const Settings& s) : power_(s.real("power")), end_(s.real("end_factor")) {}
  double factor(std::int64_t step, const Horizon& horizon) const override {
    return end_ + (1 - end_) * std::pow(1 - progress(step, horizon), power_);
  }

 private:
  double power_, end_;
};

Options& end_factor(Options& options) {
  return options.real("end_factor", 0, "factor of the optimizer's rate at the end").min(0).max(1);
}

Options decay_factor(Options options) {
  return options.real("factor", "what the rate is multiplied by").above(0).max(1);
}

template <class S>
auto maker() {
  return [](const Settings& s) { return std::make_unique<S>(s); };
}

}  // namespace

void register_schedules(Registries& registries) {
  auto& schedules = registries.schedules;
  schedules.add({"constant", "the optimizer's rate throughout", "", {}},
                [](const Settings&) { return std::make_unique<Constant>(); });
  schedules.add({"step", "multiplied by `factor` every `interval`", "",
                 decay_factor(Options{}.length("interval", "between two decays"))},
                maker<StepSchedule>());
  schedules.add(
      {"multi_step", "multiplied by `factor` at each milestone", "",
       decay_factor(Options{}.lengths("milestones", {}, "when the rate decays, from the start"))},
      maker<MultiStep>());
  Options cosine;
  schedules.add({"cosine", "falls to `end_factor` along half a cosine, without restarts",
                 "arXiv:1608.03983", end_factor(cosine)},
                maker<Cosine>());
  Options linear;
  linear.real("start_factor", 1, "factor of the optimizer's rate at the start").min(0);
  linear.real("end_factor", 0, "factor of the optimizer's rate at the end").min(0);
  schedules.add({"linear", "a straight line from `start_factor` to `end_factor`", "", linear},
                maker<Linear>());
  Options polynomial;
  polynomial.real("power", 1, "exponent of the share that is left; 1: a straight line").above(0);
  schedules.add({"polynomial", "falls to `end_factor` with a power of the share that is left", "",
                 end_factor(polynomial)},
                maker<Polynomial>());
  register_chain(registries);
}

}  // namespace bitwright
