#pragma once
// Which convolution algorithms a run uses (`algorithms: rule | tuned`), and the record of them that
// a resumed run follows.

#include <cstddef>
#include <string>
#include <vector>

#include <bitwright/core/registry.h>
#include <bitwright/results/run_file.h>

namespace bitwright {

/// The table of `bitwright tune` for this instruction set, oneDNN and team, in the user's cache
/// folder ($XDG_CACHE_HOME/bitwright, else ~/.cache/bitwright).
std::string tuned_algorithms_file(int threads);

/// Sets what convolutions are computed by from now on: the choices among `recorded` (events of kind
/// "algorithm"), else what the configuration asks for. Throws a configuration error when it asks
/// for a table that is not there or that cannot be read.
void set_algorithms(const Settings& config, int threads, const std::vector<Event>& recorded);

/// The choices that were made since `first` choices, as events; moves `first` on.
std::vector<Event> algorithm_events(std::int64_t step, std::size_t& first);

/// Times the algorithms of everything that the experiment trains and evaluates, adds the fastest to
/// the table, and says so line by line on standard output.
void tune_algorithms(const Registries& registries, const Settings& config);

}  // namespace bitwright
