#pragma once
// `init.from`: weights that a run starts from instead of drawn ones: a file of arrays, or what
// another run ended with.

#include <string>

#include <bitwright/core/options.h>
#include <bitwright/nn/network.h>

namespace bitwright {

/// Whether the configuration names a file of weights.
bool has_initial_weights(const Settings& config);

/// Path of that file. `init.from` may name it, or a run by its folder or, below `runs`, by its name
/// (EXPERIMENT/seed-N; EXPERIMENT alone: the seed of this run): then it is the run's final
/// checkpoint. Throws a data error when there is no such file or the run is not finished.
std::string initial_weights_file(const Settings& config);

/// SHA-256 of that file, "" when none is named. Throws a data error when it cannot be read.
std::string initial_weights_hash(const Settings& config);

/// Overwrites parameters and running statistics with the arrays of the file. Names or shapes that
/// differ are a configuration error at `init.from`; with `init.strict: false`, names may, and the
/// text returned says which tensors were left alone and which arrays were not used ("" for none).
/// Numbers that are not finite, and variances below zero, are data errors.
std::string load_initial_weights(const Settings& config, Network& network);

}  // namespace bitwright
