#include "experiment/lint.h"

#include <algorithm>
#include <functional>
#include <optional>

#include <fmt/format.h>

#include "experiment/assembly.h"
#include "kernels/cpu.h"

namespace bitwright {
namespace {

const Lint& find_lint(const std::string& name) {
  const auto& all = lints();
  const auto at =
      std::find_if(all.begin(), all.end(), [&](const Lint& l) { return l.name == name; });
  require(at != all.end(), "no lint '" + name + "'");
  return *at;
}

class Linter {
 public:
  Linter(const Registries& registries, const Settings& config, Network& network)
      : registries_(registries), config_(config), network_(network) {}

  std::vector<Finding> run() {
    precision();
    init();
    std::int64_t all_steps = 0;
    bool known = true;
    const auto& stages = config_.sections("stages");
    for (std::size_t i = 0; i < stages.size(); ++i) {
      const auto horizon = look_at(stages[i], i);
      known = known && horizon;
      all_steps += horizon ? horizon->steps : 0;
    }
    if (known) checkpoints(all_steps);
    return std::move(findings_);
  }

 private:
  void find(const std::string& name, const Place& place, std::string what) {
    findings_.push_back({&find_lint(name), place, std::move(what)});
  }

  static bool given(const Settings& settings, const std::string& key) {
    return settings.has(key) && settings.where(key).file != "default";
  }

  void precision() {
    if (config_.text("precision") == "bf16" && !kernels::has_native_bf16())
      find("precision_not_here", config_.where("precision"), "this CPU has no bf16 instructions");
  }

  void init() {
    const Settings& init = config_.section("init");
    if (init.text("from").empty() && given(init, "strict"))
      find("unused_key", init.where("strict"), "'init.strict' has no effect without 'init.from'");
  }

  // The stage's length, where it is known before data are read.
  std::optional<Horizon> horizon(const Settings& stage) {
    const Settings& data = data_of(config_, stage);
    const auto dataset = registries_.datasets.make(data, data_root(data));
    const Settings &subset = data.section("subset"), &split = data.section("split");
    const bool part = subset.has("first") || subset.has("per_class") ||
                      !subset.integers("classes").empty() || split.text("kind") == "fold";
    const std::int64_t all = part ? 0 : dataset->known_train_images();
    const std::int64_t held_out = split.integer("validation");
    const bool evaluates = stage.text("kind") == "evaluate";
    if (all > held_out) {
      const std::int64_t images = all - held_out;
      const std::int64_t group = data.integer("batch") * stage.integer("accumulate");
      if (group > images)
        find("batch_exceeds_data", data.where("batch"),
             fmt::format("an update takes {} images, and there are {} to train on", group, images));
      const std::int64_t epoch = steps_per_epoch(config_, stage, static_cast<std::size_t>(images));
      return Horizon{stage_steps(config_, stage, epoch), epoch};
    }
    if (stage.has("epochs") && !evaluates) return {};
    return Horizon{stage_steps(config_, stage, 1), 0};  // an epoch of no known length
  }

  std::optional<Horizon> look_at(const Settings& stage, std::size_t index) {
    methods(stage, index);
    const auto length = horizon(stage);
    if (stage.text("kind") == "evaluate" || !length) return length;
    schedule(stage.section("schedule"), *length);
    validation(stage, *length);
    return length;
  }

  void methods(const Settings& stage, std::size_t index) {
    const auto& patterns = stage.texts("freeze");
    for (const Settings& method : stage.sections("methods")) {
      if (registries_.methods.find(method.name())->options.find("exclude") == nullptr) continue;
      std::vector<std::unique_ptr<Method>> alone;
      alone.push_back(registries_.methods.make(method));
      const StageInfo info{stage.text("name"), 0, 1, 1, starts_fresh(config_, index), &network_};
      const MethodStack stack(std::move(alone), info, patterns, left_);
      stack.leave(left_);
      if (!stack.transforms())
        find("method_matches_nothing", method.place(),
             fmt::format("'{}' acts on no parameter of the network: all are excluded or frozen",
                         method.name()));
    }
  }

  // Steps that a length stands for; nothing where that takes the length of an unknown epoch.
  static std::optional<std::int64_t> steps_of(const Length& length, const Horizon& horizon) {
    if (length.unit == Length::Unit::epochs && horizon.steps_per_epoch == 0) return {};
    return length.steps(horizon);
  }

  // Shortened runs keep lengths that are given in steps or epochs, so there it is no mistake.
  void beyond(const Settings& in, const std::string& key, const Length& length,
              const Horizon& horizon) {
    if (config_.text("budget") != "full") return;
    const auto steps = steps_of(length, horizon);
    if (!steps || *steps < horizon.steps) return;
    const bool whole = *steps == horizon.steps && key == "length";
    if (!whole)
      find(
          "milestone_after_end", in.where(key),
          fmt::format("'{}' of schedule '{}' is {}, which is step {}; the schedule ends at step {}",
                      key, in.name(), length.str(), *steps, horizon.steps));
  }

  void schedule(const Settings& schedule, const Horizon& stage) {
    Horizon horizon = stage;
    if (schedule.has("length")) {
      beyond(schedule, "length", schedule.length("length"), stage);
      const auto own = steps_of(schedule.length("length"), stage);
      if (!own) return;
      horizon.steps = *own;
    }
    for (const std::string& key : schedule.names()) {
      if (const OptionValue* const value = schedule.value(key))
        milestones(schedule, key, *value, horizon);
    }
    warm_up(schedule, horizon);
    const bool chain =
        registries_.schedules.find(schedule.name())->options.find("parts") != nullptr;
    if (!chain) return;
    for (const Settings& part : schedule.sections("parts")) this->schedule(part, horizon);
  }

  void milestones(const Settings& schedule, const std::string& key, const OptionValue& value,
                  const Horizon& horizon) {
    if (key == "length" || !given(schedule, key)) return;
    if (const Length* const one = std::get_if<Length>(&value)) beyond(schedule, key, *one, horizon);
    if (const auto* const several = std::get_if<std::vector<Length>>(&value))
      for (const Length& one : *several) beyond(schedule, key, one, horizon);
  }

  void warm_up(const Settings& schedule, const Horizon& horizon) {
    if (!schedule.has("warm_up") || !schedule.section("warm_up").has("length")) return;
    const Settings& warm_up = schedule.section("warm_up");
    const auto steps = steps_of(warm_up.length("length"), horizon);
    if (steps && *steps >= horizon.steps && config_.text("budget") == "full")
      find("milestone_after_end", warm_up.where("length"),
           fmt::format("the warm-up takes {} steps of {}", *steps, horizon.steps));
  }

  void validation(const Settings& stage, const Horizon& length) {
    const Settings& evaluation = config_.section("evaluation");
    if (stage.section("stop").has("patience") && given(evaluation, "every") &&
        evaluation.integer("every") >= length.steps)
      find("unused_key", stage.section("stop").where("patience"),
           fmt::format("stage '{}' has {} steps and is validated once, so patience never runs out",
                       stage.text("name"), length.steps));
  }

  void checkpoints(std::int64_t all_steps) {
    const Settings& checkpoint = config_.section("checkpoint");
    if (given(checkpoint, "every") && checkpoint.integer("every") > all_steps &&
        config_.text("budget") == "full")
      find("checkpoint_after_end", checkpoint.where("every"),
           fmt::format("a checkpoint every {} steps, and the run has {}",
                       checkpoint.integer("every"), all_steps));
  }

  const Registries& registries_;
  const Settings& config_;
  Network& network_;
  HandedOverByMethod left_;  // by the methods looked at so far
  std::vector<Finding> findings_;
};

void refuse_unknown(const Settings& config) {
  std::vector<std::string> names;
  for (const Lint& lint : lints()) names.push_back(lint.name);
  for (const std::string& allowed : config.texts("allow"))
    if (std::find(names.begin(), names.end(), allowed) == names.end()) {
      const std::string near = nearest_name(allowed, names);
      throw config_error(config.where("allow"), fmt::format("no lint is called '{}'", allowed),
                         near.empty() ? fmt::format("one of {}", fmt::join(names, ", "))
                                      : fmt::format("did you mean '{}'?", near),
                         "correct the name or remove it");
    }
}

}  // namespace

const std::vector<Lint>& lints() {
  static const std::vector<Lint> all{
      {"milestone_after_end", true, "the learning rate would never get there"},
      {"batch_exceeds_data", true, "an epoch would hold no batch"},
      {"method_matches_nothing", true, "the stage would be plain training under another name"},
      {"unused_key", false, "what is written has no effect"},
      {"checkpoint_after_end", false, "a killed run would start over"},
      {"precision_not_here", false, "the run is refused on this machine"},
  };
  return all;
}

std::string Finding::line() const {
  return fmt::format("{}: {}: {}; {}; if it is meant, allow: [{}]", place.str(),
                     lint->error ? "error" : "warning", what, lint->reason, lint->name);
}

std::vector<Finding> lint(const Registries& registries, const Settings& config, Network& network) {
  refuse_unknown(config);
  std::vector<Finding> findings = Linter(registries, config, network).run();
  const auto& allowed = config.texts("allow");
  std::erase_if(findings, [&](const Finding& f) {
    return std::find(allowed.begin(), allowed.end(), f.lint->name) != allowed.end();
  });
  return findings;
}

}  // namespace bitwright
