#pragma once

#include <bitwright/core/options.h>

namespace bitwright {

/// Everything that an experiment file may say.
Options experiment_options();

}  // namespace bitwright
