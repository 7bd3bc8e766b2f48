#pragma once

#include <string>

#include <bitwright/core/registry.h>

namespace bitwright {

/// What an experiment would be and cost: shapes, parameters and multiply-accumulates of its layers,
/// and for each stage its length, memory and time, estimated from a few real steps and one real
/// validation on the experiment's data. Nothing is written.
struct DryRun {
  std::string text;    ///< for people
  double seconds = 0;  ///< to expect
};
DryRun dry_run(const Registries& registries, const Settings& config);

/// "12.3 s", "4.0 min", "2.5 h"
std::string duration_text(double seconds);

}  // namespace bitwright
