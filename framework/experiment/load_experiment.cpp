#include "experiment/load_experiment.h"

#include <fmt/format.h>

#include "experiment/problems.h"
#include "experiment/profiles.h"
#include "experiment/runner.h"
#include "experiment/schema.h"

namespace bitwright {

static void refuse(const std::vector<Finding>& findings) {
  std::vector<Error> errors;
  for (const Finding& f : findings)
    if (f.lint->error)
      errors.push_back(config_error(f.place, f.what, f.lint->reason,
                                    fmt::format("if it is meant, allow: [{}]", f.lint->name)));
  if (!errors.empty()) throw Problems(std::move(errors));
}

LoadedExperiment load_experiment(const Registries& registries, ConfigFile file,
                                 const std::string& profile) {
  if (file.fragment)
    throw config_error(Place{file.name}, "the file is a fragment, which only others extend",
                       "an experiment", "name a file that extends it, or remove 'fragment: true'");
  if (!profile.empty()) apply_profile(file, profile, registries);
  LoadedExperiment loaded;
  loaded.config = resolve_config(std::move(file), experiment_options(), registries);
  check_experiment(loaded.config);
  loaded.network = dry_build(registries, loaded.config);
  loaded.warnings = lint(registries, loaded.config, *loaded.network);
  refuse(loaded.warnings);
  return loaded;
}

}  // namespace bitwright
