#pragma once
// One case measured in this process.

#include <cstdint>

#include "bench/cases.h"
#include "train/step_profile.h"

namespace bitwright::bench {

struct Measurement {
  std::int64_t steps = 0;  ///< timed
  double median_ms = 0, min_ms = 0;
  /// Sum of the medians of all ops (forward and backward) and of the optimizer, each timed on its
  /// own within further steps: what a step would take with nothing between them.
  double primitives_sum_ms = 0;
  /// Memory taken from the system during the timed steps: blocks that the tensor pool took, and
  /// steps after which the C heap was larger.
  std::int64_t allocations = 0;
  double peak_rss_mb = 0;       ///< of the whole process, MB = 10^6 bytes
  std::int64_t parameters = 0;  ///< learnable elements of the network
};

struct MeasureOptions {
  int threads = 1;
  std::int64_t steps = 0;  ///< to time; 0: for about two seconds, three at least
};

/// Times the very step that `run` executes, on one synthetic batch that lies in memory: an update
/// by SGD with momentum and weight decay, or the evaluation of a batch. Sets the process's threads.
/// `profile` is given the times of the ops.
Measurement measure(const Registries& registries, const Case& chosen, const MeasureOptions& options,
                    StepProfile& profile);

}  // namespace bitwright::bench
