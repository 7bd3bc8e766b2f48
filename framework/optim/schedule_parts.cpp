// Schedules made of schedules: behind a warm-up, for a part of the stage, one after the other.
#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <bitwright/core/registry.h>

#include "optim/schedules.h"

namespace bitwright {
namespace {

std::optional<Length> length_of(const Settings& settings) {
  if (!settings.has("length")) return {};
  return settings.length("length");
}

// What the rate is multiplied by at first: Goyal et al. 2017 (arXiv:1706.02677), section 2.2.
class WarmUp {
 public:
  explicit WarmUp(const Settings& s)
      : length_(s.length("length")),
        constant_(s.text("kind") == "constant"),
        start_(s.real("start_factor")) {
    if (constant_ && start_ == 0)
      throw config_error(s.where(s.where("kind").file == "default" ? "start_factor" : "kind"),
                         "a constant warm-up at rate 0 learns nothing", "start_factor above 0",
                         "add start_factor, such as 0.1");
  }
  double factor(std::int64_t step, const Horizon& horizon) const {
    const std::int64_t length = length_.steps(horizon);
    if (step >= length) return 1;
    if (constant_) return start_;
    return std::lerp(start_, 1.0, static_cast<double>(step) / static_cast<double>(length));
  }

  static std::optional<WarmUp> from(const Settings& schedule) {
    if (!schedule.has("warm_up")) return {};
    const Settings& s = schedule.section("warm_up");
    if (s.has("length")) return WarmUp(s);
    const bool kind = s.text("kind") != "linear";
    if (kind || s.real("start_factor") != 0)
      throw config_error(s.where(kind ? "kind" : "start_factor"), "the warm-up has no length",
                         "warm_up: {length: ...}", "add it, or remove this key");
    return {};
  }

 private:
  Length length_;
  bool constant_;
  double start_;
};

// A schedule that runs over `length`, then holds what it has reached, times its warm-up.
class Framed final : public Schedule {
 public:
  Framed(std::unique_ptr<Schedule> inner, std::optional<Length> length,
         std::optional<WarmUp> warm_up)
      : inner_(std::move(inner)), length_(length), warm_up_(std::move(warm_up)) {}

  double factor(std::int64_t step, const Horizon& outer) const override {
    const Horizon own{length_ ? length_->steps(outer) : outer.steps, outer.steps_per_epoch};
    const std::int64_t t = std::min(step, own.steps);
    const double factor = inner_->factor(t, own);
    return warm_up_ ? warm_up_->factor(t, own) * factor : factor;
  }

 private:
  std::unique_ptr<Schedule> inner_;
  std::optional<Length> length_;
  std::optional<WarmUp> warm_up_;
};

class Chain final : public Schedule {
 public:
  Chain(const Registries& registries, const Settings& s) {
    const std::vector<Settings>& parts = s.sections("parts");
    if (parts.empty())
      throw config_error(s.where("parts").file == "default" ? s.place() : s.where("parts"),
                         "the chain has no parts", "parts: a list of schedules", "add one");
    for (const Settings& part : parts) {
      if (&part != &parts.back() && !part.has("length"))
        throw config_error(
            part.place(),
            fmt::format("part '{}' of the chain has no length, but is not the last", part.name()),
            "length: steps, epochs or a share", "add it");
      parts_.push_back({make_schedule(registries, part), length_of(part)});
    }
  }

  double factor(std::int64_t step, const Horizon& horizon) const override {
    std::int64_t begin = 0;
    for (std::size_t i = 0; i + 1 < parts_.size(); ++i) {
      const std::int64_t length = parts_[i].length->steps(horizon);
      if (step < begin + length) return parts_[i].schedule->factor(step - begin, horizon);
      begin += length;
    }
    const Part& last = parts_.back();
    const Horizon rest{std::max<std::int64_t>(1, horizon.steps - begin), horizon.steps_per_epoch};
    return last.schedule->factor(step - begin, last.length ? horizon : rest);
  }

 private:
  // A schedule with a length finds its own horizon in the chain's.
  struct Part {
    std::unique_ptr<Schedule> schedule;
    std::optional<Length> length;
  };
  std::vector<Part> parts_;
};

}  // namespace

Options schedule_options() {
  Options warm_up;
  warm_up.length("length", "how long; left out: no warm-up").optional();
  warm_up.choice("kind", {"linear", "constant"}, "linear",
                 "a straight line from start_factor to 1, or start_factor throughout");
  warm_up.real("start_factor", 0, "what the rate of the first step is multiplied by").min(0).max(1);
  return Options{}
      .length("length",
              "what the schedule runs over, later steps keep its last rate; left out: the whole "
              "stage, or what a chain has left")
      .optional()
      .section("warm_up", warm_up,
               "multiplies the first rates; the schedule itself counts from the same start");
}

std::unique_ptr<Schedule> make_schedule(const Registries& registries, const Settings& settings) {
  auto schedule = registries.schedules.make(settings);
  return std::make_unique<Framed>(std::move(schedule), length_of(settings), WarmUp::from(settings));
}

void register_chain(Registries& registries) {
  Options options;
  options.components("parts", "schedules",
                     "schedules one after the other; all but the last need a length; each counts "
                     "steps and shares from its own start",
                     schedule_options());
  registries.schedules.add(
      {"chain", "schedules one after the other, each for its `length`", "", options},
      [&registries](const Settings& s) { return std::make_unique<Chain>(registries, s); });
}

}  // namespace bitwright
