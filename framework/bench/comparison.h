#pragma once
// Cases measured again and again, in turns with the PyTorch peer.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/cases.h"
#include "bench/measure.h"
#include "bench/pytorch.h"

namespace bitwright::bench {

/// What PyTorch needed for the same step.
struct PeerRow {
  std::string settings;
  double median_ms = 0;  ///< median of the repetitions' medians
  /// PyTorch's time over ours, pair by pair: median, least, greatest.
  double ratio = 0, ratio_min = 0, ratio_max = 0;
  double peak_rss_mb = 0;
};

struct Row {
  Case measured;
  int threads = 1;
  int repetitions = 1;
  /// Times of the repetition in the middle (of an even number, the faster of the two); the least
  /// step, the allocations and the greatest memory of all.
  Measurement ours;
  std::optional<PeerRow> peer;
  std::string ops;  ///< measured in this process: a table of the times of all ops
};

struct Schedule {
  int threads = 1;
  int repetitions = 5;
  std::int64_t steps = 0;  ///< per repetition, see MeasureOptions
};

/// Measures one case in a child process per repetition, the peer's (null: none) following ours each
/// time.
Row compare(const Case& chosen, const Schedule& schedule, const PyTorchPeer* peer);

/// Measures one case once, in this process.
Row measure_here(const Registries& registries, const Case& chosen, const Schedule& schedule);

}  // namespace bitwright::bench
