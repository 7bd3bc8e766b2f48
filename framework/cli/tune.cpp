#include "cli/commands.h"
#include "experiment/algorithms.h"
#include "experiment/load_experiment.h"

namespace bitwright {

int tune(const Registries& registries, const std::vector<std::string>& words) {
  const Words split = split_words(words);
  for (const std::string& file : split.files) {
    load_cells(registries, read_config(file, split.overrides), "",
               [&](const SweepCell&, const LoadedExperiment& loaded) {
                 tune_algorithms(registries, loaded.config);
               });
  }
  return 0;
}

}  // namespace bitwright
