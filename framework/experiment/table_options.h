#pragma once

#include <bitwright/core/options.h>

#include "experiment/config_node.h"

namespace bitwright {

/// Everything that a table file may say: a paper's numbers and what reproduces them.
Options table_options();

/// Whether a file is a table rather than an experiment.
bool is_table(const ConfigNode& tree);

}  // namespace bitwright
