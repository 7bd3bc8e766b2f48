#include "cli/commands.h"
#include "experiment/algorithms.h"
#include "experiment/load_experiment.h"

namespace bitwright {

int tune(const Registries& registries, const std::vector<std::string>& words) {
  const Words split = split_words(words);
  for (const std::string& file : split.files) {
    const LoadedExperiment loaded =
        load_experiment(registries, read_config(file, split.overrides), "");
    tune_algorithms(registries, loaded.config);
  }
  return 0;
}

}  // namespace bitwright
