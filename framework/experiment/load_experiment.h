#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <bitwright/nn/network.h>

#include "experiment/config.h"
#include "experiment/lint.h"
#include "experiment/sweep.h"

namespace bitwright {

/// An experiment that is checked as far as that goes without data.
struct LoadedExperiment {
  Settings config;
  std::unique_ptr<Network> network;  ///< as built for the checks
  std::vector<Finding> warnings;
};

/// From a file that stands for one run, of its seeds the one of the command line, shortened to a
/// profile unless that is empty. Throws Problems, lints that are errors among them.
LoadedExperiment load_experiment(const Registries& registries, ConfigFile file,
                                 const std::string& profile);

/// From any file: `use` is called for every cell of its sweep that is right, or once. Throws
/// Problems of all cells; what is wrong with some cells only names one of them.
void load_cells(const Registries& registries, ConfigFile file, const std::string& profile,
                const std::function<void(const SweepCell&, LoadedExperiment)>& use);

}  // namespace bitwright
