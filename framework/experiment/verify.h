#pragma once
// Proves that a run's last steps give the same bits on this machine, or says what differs.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <bitwright/core/registry.h>
#include <bitwright/results/run_file.h>

#include "results/checkpoint_difference.h"

namespace bitwright {

struct VerifyRequest {
  std::string run;                    ///< directory or run.h5; only read
  std::optional<std::int64_t> steps;  ///< how many at least; none: those after the last but one
                                      ///< checkpoint
  std::optional<int> threads;         ///< instead of the recorded number
  std::vector<std::string> command_line;
};

/// Where a series first has other bits than on record.
struct MetricDifference {
  std::string metric;     ///< "/metrics/step/train_loss", with "[LAYER]" for one of a layer
  std::int64_t step = 0;  ///< of the run
  double recorded = 0, here = 0;
};

/// What the run's provenance says, and what holds here; empty: nothing.
struct FactDifference {
  std::string group;  ///< "binary", "libraries", "CPU", "threads", "data" or "system"
  std::string fact, recorded, here;
};

struct Verification {
  std::string run_file;
  std::int64_t from = 0, to = 0;      ///< steps of the run: of the checkpoint begun from, the last
  std::optional<std::int64_t> asked;  ///< steps that were asked for and that no checkpoint allows
  std::size_t numbers = 0;            ///< of metrics and results that were compared
  std::size_t entries = 0;            ///< of states
  std::vector<MetricDifference> metrics;  ///< one for each metric that differs, by step
  std::vector<results::StateDifference> state;
  std::vector<FactDifference> facts;
  std::string diverged;  ///< why the re-run ended early; empty: it did not
  int signal = 0;        ///< that ended it

  bool equal() const { return metrics.empty() && state.empty() && diverged.empty(); }
};

/// Re-runs the last steps in a temporary folder, from a checkpoint of the run. Throws a storage
/// error when none can serve.
Verification verify_run(const Registries& registries, const VerifyRequest& request);

/// Adds to `result` the numbers of steps after result.from up to result.to, of all series that a
/// step's computation decides.
void compare_metrics(const RunReader& recorded, const RunReader& here, Verification& result);
/// What of a provenance bears on bits.
std::vector<FactDifference> compare_facts(const std::map<std::string, std::string>& recorded,
                                          const std::map<std::string, std::string>& here);

std::string verification_text(const Verification& result);
std::string verification_json(const Verification& result);

}  // namespace bitwright
