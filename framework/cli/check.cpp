#include <fmt/format.h>

#include "cli/commands.h"
#include "experiment/load_experiment.h"
#include "experiment/schema.h"
#include "experiment/table_options.h"

namespace bitwright {
namespace {

// The resolved text of one file; all that is wrong with it is thrown.
std::string checked(const Registries& registries, ConfigFile file, const std::string& profile) {
  if (is_table(file.tree)) {
    const Settings table = resolve_config(std::move(file), table_options(), registries);
    return emit_config(table, table_options(), registries, true);
  }
  if (file.fragment) {
    const std::string name = file.name;
    resolve_config(std::move(file), experiment_options(), registries);
    return fmt::format("# {} is a fragment: what it says is valid\n", name);
  }
  const LoadedExperiment loaded = load_experiment(registries, std::move(file), profile);
  for (const Finding& warning : loaded.warnings) fmt::print(stderr, "{}\n", warning.line());
  return emit_config(loaded.config, experiment_options(), registries, true);
}

}  // namespace

int check(const Registries& registries, const std::vector<std::string>& words,
          const std::string& profile) {
  const Words split = split_words(words);
  for (const std::string& file : split.files) {
    const std::string text = checked(registries, read_config(file, split.overrides), profile);
    if (split.files.size() > 1) fmt::print("---\n");  // a YAML document each
    fmt::print("{}", text);
  }
  return 0;
}

}  // namespace bitwright
