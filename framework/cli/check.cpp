#include <set>

#include <fmt/format.h>

#include "cli/commands.h"
#include "experiment/check_table.h"
#include "experiment/load_experiment.h"
#include "experiment/schema.h"
#include "experiment/table_options.h"

namespace bitwright {
namespace {

// What a cell sets: all that distinguishes it from the others.
std::string cell_line(const SweepCell& cell) {
  std::string text = "#   " + cell.name + ":";
  const char* separator = " ";
  for (const SweepChoice& choice : cell.choices) {
    text += fmt::format("{}{}={} ({})", separator, choice.key, flow_text(choice.value),
                        choice.value.place.str());
    separator = ", ";
  }
  return text + "\n";
}

// The resolved text of one file; all that is wrong with it is thrown.
std::string checked(const Registries& registries, ConfigFile file, const std::string& profile) {
  if (is_table(file.tree)) {
    const Settings table = resolve_config(std::move(file), table_options(), registries);
    check_table(table);
    return emit_config(table, table_options(), registries, true);
  }
  if (file.fragment) {
    const std::string name = file.name;
    resolve_config(take_sweep(std::move(file)).file, experiment_options(), registries);
    return fmt::format("# {} is a fragment: what it says is valid\n", name);
  }
  std::string first, others;
  std::size_t count = 0;
  std::set<std::string> warned;
  load_cells(registries, std::move(file), profile,
             [&](const SweepCell& cell, const LoadedExperiment& loaded) {
               for (const Finding& warning : loaded.warnings)
                 if (warned.insert(warning.line()).second)
                   fmt::print(stderr, "{}\n", warning.line());
               if (count++ == 0)
                 first = emit_config(loaded.config, experiment_options(), registries, true);
               if (!cell.name.empty()) others += cell_line(cell);
             });
  if (others.empty()) return first;
  return fmt::format("{}# {} cells, of which the first is above:\n{}", first, count, others);
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
