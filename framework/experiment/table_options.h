#pragma once

#include <bitwright/core/options.h>

#include "experiment/config_node.h"

namespace bitwright {

/// Everything that a table file may say: a paper's numbers and what reproduces them.
Options table_options();

/// Whether a file is a table rather than an experiment.
bool is_table(const ConfigNode& tree);

/// What the declared options cannot say: cells with names of their own, seeds that are not
/// repeated. Throws a configuration error.
void check_table(const Settings& table);

}  // namespace bitwright
