#include "cli/commands.h"
#include "experiment/algorithms.h"
#include "experiment/config.h"
#include "experiment/runner.h"
#include "experiment/schema.h"

namespace bitwright {

int tune(const Registries& registries, const std::vector<std::string>& words) {
  const Words split = split_words(words);
  for (const std::string& file : split.files) {
    const Settings config = load_config(file, split.overrides, experiment_options(), registries);
    check_experiment(config);
    dry_build(registries, config);
    tune_algorithms(registries, config);
  }
  return 0;
}

}  // namespace bitwright
