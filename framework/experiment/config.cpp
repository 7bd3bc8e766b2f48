#include "experiment/config.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "experiment/overrides.h"
#include "experiment/resolver.h"

namespace bitwright {

static YAML::Node parse_yaml(const std::string& text, const std::string& name) {
  try {
    const auto documents = YAML::LoadAll(text);
    if (documents.empty() || documents.front().IsNull())
      throw config_error(Place{name}, "the file is empty", "an experiment in YAML",
                         "see experiments/quickstart.yaml");
    if (documents.size() > 1)
      throw config_error(Place{name}, "the file holds several YAML documents", "one",
                         "remove the '---' between them");
    return documents.front();
  } catch (const YAML::Exception& e) {
    throw config_error(Place{name, e.mark.line + 1, e.mark.column + 1}, e.msg, "valid YAML",
                       "check indentation, quotes and brackets here");
  }
}

Settings parse_config(const std::string& text, const std::string& name,
                      const std::vector<std::string>& overrides, const Options& options,
                      const Registries& registries) {
  YAML::Node root = parse_yaml(text, name);
  if (!root.IsMap())
    throw config_error(Place{name, root.Mark().line + 1, root.Mark().column + 1},
                       "the file is no mapping", "'key: value' lines",
                       "see experiments/quickstart.yaml");
  const auto overridden = apply_overrides(root, overrides);
  return Resolver(name, registries, overridden).mapping(root, options, "");
}

Settings load_config(const std::string& file, const std::vector<std::string>& overrides,
                     const Options& options, const Registries& registries) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream || std::filesystem::is_directory(file))
    throw config_error(Place{file}, "cannot be read", "an experiment file",
                       "check the path and its permissions");
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  return parse_config(text, file, overrides, options, registries);
}

// What a stage's options exclude among each other.
static void check_stage(const Settings& stage) {
  const auto one_of = [&](const Settings& in, const char* a, const char* b, const char* what) {
    if (in.has(a) && in.has(b))
      throw config_error(in.where(b), fmt::format("'{}' is given in {} and in {}", what, a, b),
                         "one of the two", "remove the other");
  };
  if (!stage.has("steps") && !stage.has("epochs"))
    throw config_error(stage.place(), fmt::format("stage '{}' has no length", stage.text("name")),
                       "steps or epochs", "add 'steps: ...' or 'epochs: ...'");
  one_of(stage, "steps", "epochs", stage.text("name").c_str());
  one_of(stage.section("clip"), "norm", "value", "clip");
  const Settings& average = stage.section("ema");
  if (average.has("decay") && average.real("decay") == 1)
    throw config_error(average.where("decay"), "an average with decay 1 never moves",
                       "a number below 1", "such as 0.999");
  if (!average.has("decay") && average.boolean("warm_up"))
    throw config_error(average.where("warm_up"), "the average has no decay", "ema: {decay: ...}",
                       "add it, or remove this key");
}

void check_experiment(const Settings& config) {
  const std::string& name = config.text("experiment");
  constexpr auto allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  if (name.empty() || name.find_first_not_of(allowed) != std::string::npos || name[0] == '.')
    throw config_error(config.where("experiment"), fmt::format("'{}' cannot name a folder", name),
                       "letters, digits, '.', '_' and '-'", "rename the experiment");
  const std::string& threads = config.text("threads");
  const bool digits = !threads.empty() && threads.size() < 5 &&
                      threads.find_first_not_of("0123456789") == std::string::npos;
  if (threads != "auto" && (!digits || std::stoi(threads) < 1))
    throw config_error(config.where("threads"), fmt::format("'threads' is '{}'", threads),
                       "a positive number, or auto", "size of the team that computes");
  std::set<std::string> names;
  for (const Settings& stage : config.sections("stages"))
    if (!names.insert(stage.text("name")).second)
      throw config_error(stage.where("name"),
                         fmt::format("two stages are called '{}'", stage.text("name")),
                         "a name of its own for each", "rename one");
  for (const Settings& stage : config.sections("stages")) check_stage(stage);
  const Settings& first = config.sections("stages").front();
  if (first.text("start") == "previous")
    throw config_error(first.where("start"), "the first stage has no stage before it",
                       "start: fresh", "remove the key");
}

}  // namespace bitwright
