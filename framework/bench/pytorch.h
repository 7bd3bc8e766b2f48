#pragma once
// The peer: the same step in PyTorch, measured by scripts/bench-pytorch.

#include <string>

#include "bench/cases.h"

namespace bitwright::bench {

class PyTorchPeer {
 public:
  /// Looks for the script beside the program's build folder and for PyTorch. Throws a configuration
  /// error without the one, ChildFailed (status 2) without the other.
  explicit PyTorchPeer(int threads);

  /// "1.13.1", and what the machine lacks for PyTorch's best times.
  const std::string& version() const { return version_; }

  /// The fastest of the settings that PyTorch offers for a case: memory layout, instruction set,
  /// eager, compiled or frozen. Takes many times as long as a measurement.
  std::string tune(const Case& chosen) const;

  struct Result {
    double median_ms = 0, peak_rss_mb = 0;
    std::int64_t parameters = 0;
  };
  /// `steps` as in MeasureOptions.
  Result measure(const Case& chosen, const std::string& settings, std::int64_t steps) const;

 private:
  std::string call(const Case& chosen, const std::vector<std::string>& more) const;

  const int threads_;
  std::string script_, version_;
};

}  // namespace bitwright::bench
