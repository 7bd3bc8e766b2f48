#pragma once

#include <bitwright/core/options.h>

namespace bitwright {

/// The keys by which one file stands for several experiments. They are used up by take_sweep(); no
/// other part of the program sees them.
Options sweep_options();

}  // namespace bitwright
