#pragma once
// Runs one experiment from its validated configuration to its results.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <bitwright/core/registry.h>
#include <bitwright/nn/network.h>

namespace bitwright {

struct RunRequest {
  Settings config;
  std::string config_text;  ///< the same, resolved, as YAML
  std::string out = "runs";
  /// What to do about a run that is already there.
  enum class Existing { refuse, resume, overwrite } existing = Existing::refuse;
  bool show_finished = false;  ///< instead of refusing a finished run, print its results
  bool quiet = false;
  bool in_sweep = false;             ///< progress is for the sweep that started this process
  bool json = false;                 ///< results as one JSON object instead of a table
  std::optional<std::string> trace;  ///< where to write a trace; empty: into the run directory
  bool check_numerics = false;       ///< name the first NaN or Inf
  /// Does a part of an earlier run again to compare: also with other data, and without roll-backs.
  bool replay = false;
  std::optional<std::int64_t> stop_after;  ///< this step of the run, as a signal would
  std::vector<std::string> command_line;
};

/// Trains all stages and prints the results. Returns 0, or 128 + signal when a signal stopped the
/// run after saving; all else is an Error.
int run_experiment(const Registries& registries, const RunRequest& request);

/// OUT/EXPERIMENT/CELL/seed-N, without CELL where there is none.
std::string run_path(const std::string& out, const Settings& config);

/// Builds everything that needs no data: components, the network, which comes back, the methods'
/// claims on it. Throws the configuration errors that only this shows.
std::unique_ptr<Network> dry_build(const Registries& registries, const Settings& config);

}  // namespace bitwright
