#pragma once

#include <bitwright/core/options.h>

namespace bitwright {

/// Everything that an experiment says once it is composed.
Options experiment_options();
/// Everything that an experiment file may say: the above, and how files are composed.
Options file_options();

Options stage_options();  ///< of an element of `stages`
Options data_options();   ///< that all data sets share

}  // namespace bitwright
