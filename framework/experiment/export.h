#pragma once
// Deployed networks in files of their own, and their accuracy (`bitwright export`, `evaluate`).

#include <cstdint>
#include <optional>
#include <string>

#include <bitwright/core/registry.h>

namespace bitwright {

/// What `export` wrote.
struct Exported {
  std::int64_t payload_bytes = 0;  ///< of the deployed network: "real bits on disk" / 8
  std::int64_t file_bytes = 0;     ///< with configuration, names and HDF5's own
  std::int64_t parameters = 0;
};

/// Writes the deployed network of a finished run's final checkpoint to `file`, in place of an
/// earlier exported network, but of no other file. Throws storage errors.
Exported export_network(const Registries& registries, const std::string& run,
                        const std::string& file);

struct TestedNetwork {
  std::string result;  ///< the run's name of it: "test_accuracy_hard"
  double accuracy = 0;
  double recorded = 0;  ///< by the run
};

/// Accuracy on the test images of an exported network or of a run's final checkpoint, computed with
/// the run's threads and algorithms. Data are found as `bitwright run` finds them.
TestedNetwork evaluate_network(const Registries& registries, const std::string& path);

}  // namespace bitwright
