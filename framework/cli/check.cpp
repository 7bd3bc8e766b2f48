#include <fmt/format.h>

#include "cli/commands.h"
#include "experiment/config.h"
#include "experiment/runner.h"
#include "experiment/schema.h"

namespace bitwright {

int check(const Registries& registries, const std::vector<std::string>& words) {
  const Words split = split_words(words);
  const Options options = experiment_options();
  for (const std::string& file : split.files) {
    const Settings config = load_config(file, split.overrides, options, registries);
    check_experiment(config);
    dry_build(registries, config);
    if (split.files.size() > 1) fmt::print("---\n");  // a YAML document each
    fmt::print("{}", emit_config(config, options, registries, true));
  }
  return 0;
}

}  // namespace bitwright
