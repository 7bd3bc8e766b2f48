#include <functional>
#include <set>

#include <fmt/format.h>

#include "experiment/config.h"
#include "experiment/grid_stage.h"
#include "experiment/problems.h"

namespace bitwright {
namespace {

void one_of(const Settings& in, const char* a, const char* b, const std::string& what) {
  if (in.has(a) && in.has(b))
    throw config_error(in.where(b), fmt::format("'{}' is given in {} and in {}", what, a, b),
                       "one of the two", "remove the other");
}

void check_length(const Settings& stage) {
  const std::string& name = stage.text("name");
  one_of(stage, "steps", "epochs", name);
  one_of(stage, "steps", "images", name);
  one_of(stage, "epochs", "images", name);
  const bool length = stage.has("steps") || stage.has("epochs") || stage.has("images");
  const bool trains = stage.text("kind") == "train";
  if (trains && !length)
    throw config_error(stage.place(), fmt::format("stage '{}' has no length", name),
                       "steps, epochs or images", "add 'steps: ...' or 'epochs: ...'");
  if (trains && !stage.has("optimizer"))
    throw config_error(stage.place(), fmt::format("stage '{}' trains without an optimizer", name),
                       "one of the optimizers", "add 'optimizer: ...'");
}

// What an evaluation cannot use must not be said about it.
void check_evaluation(const Settings& stage) {
  if (stage.text("kind") == "train") return;
  for (const char* key : {"steps", "epochs", "images", "max_steps", "optimizer", "schedule",
                          "accumulate", "clip", "ema", "stop", "freeze", "hand_over"})
    if (stage.has(key) && stage.where(key).file != "default")
      throw config_error(stage.where(key),
                         fmt::format("stage '{}' only evaluates, and has no use for '{}'",
                                     stage.text("name"), key),
                         "kind: train, or nothing about updates", "remove one of the two");
}

void check_clip(const Settings& stage) { one_of(stage.section("clip"), "norm", "value", "clip"); }

void check_average(const Settings& stage) {
  const Settings& average = stage.section("ema");
  if (average.has("decay") && average.real("decay") == 1)
    throw config_error(average.where("decay"), "an average with decay 1 never moves",
                       "a number below 1", "such as 0.999");
  if (!average.has("decay") && average.boolean("warm_up"))
    throw config_error(average.where("warm_up"), "the average has no decay", "ema: {decay: ...}",
                       "add it, or remove this key");
}

void check_names(const Settings& config) {
  check_folder_name(config.text("experiment"), config.where("experiment"));
  if (config.has("cell")) check_folder_name(config.text("cell"), config.where("cell"));
}

void check_threads(const Settings& config) {
  const std::string& threads = config.text("threads");
  const bool digits = !threads.empty() && threads.size() < 5 &&
                      threads.find_first_not_of("0123456789") == std::string::npos;
  if (threads != "auto" && (!digits || std::stoi(threads) < 1))
    throw config_error(config.where("threads"), fmt::format("'threads' is '{}'", threads),
                       "a positive number, or auto", "size of the team that computes");
}

void check_unique(const Settings& config, const std::string& list, const std::string& what) {
  std::set<std::string> names;
  for (const Settings& one : config.sections(list))
    if (!names.insert(one.text("name")).second)
      throw config_error(one.where("name"),
                         fmt::format("two {} are called '{}'", what, one.text("name")),
                         "a name of its own for each", "rename one");
}

void check_first_start(const Settings& config) {
  const Settings& first = config.sections("stages").front();
  if (first.text("start") == "previous")
    throw config_error(first.where("start"), "the first stage has no stage before it",
                       "start: fresh", "remove the key");
}

}  // namespace

void check_experiment(const Settings& config) {
  std::vector<Error> problems;
  const auto collect = [&](const std::function<void()>& check) {
    try {
      check();
    } catch (const Error& error) {
      problems.push_back(error);
    }
  };
  collect([&] { check_names(config); });
  collect([&] { check_threads(config); });
  collect([&] { check_unique(config, "stages", "stages"); });
  collect([&] { check_unique(config, "profiles", "profiles"); });
  for (const Settings& stage : config.sections("stages"))
    for (const auto check : {check_length, check_evaluation, check_clip, check_average, check_grid})
      collect([&] { check(stage); });
  collect([&] { check_first_start(config); });
  if (!problems.empty()) throw Problems(std::move(problems));
}

}  // namespace bitwright
