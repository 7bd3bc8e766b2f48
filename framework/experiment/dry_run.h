#pragma once

#include <string>

#include <bitwright/core/registry.h>

namespace bitwright {

/// What an experiment would be and cost: shapes, parameters and multiply-accumulates of its layers,
/// and for each stage its length, memory and time, estimated from a few real steps and one real
/// validation on the experiment's data. Nothing is written.
std::string dry_run(const Registries& registries, const Settings& config);

}  // namespace bitwright
