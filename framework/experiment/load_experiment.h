#pragma once

#include <memory>
#include <string>
#include <vector>

#include <bitwright/nn/network.h>

#include "experiment/config.h"
#include "experiment/lint.h"

namespace bitwright {

/// An experiment that is checked as far as that goes without data.
struct LoadedExperiment {
  Settings config;
  std::unique_ptr<Network> network;  ///< as built for the checks
  std::vector<Finding> warnings;
};

/// From a file, shortened to a profile unless that is empty. Throws Problems, lints that are errors
/// among them.
LoadedExperiment load_experiment(const Registries& registries, ConfigFile file,
                                 const std::string& profile);

}  // namespace bitwright
