#pragma once

#include <string>

#include <bitwright/core/options.h>

#include "experiment/config_node.h"

namespace bitwright {

/// The value of an option that is a scalar or a plain list, checked against type, range and
/// choices. Throws a configuration error that names `path`.
OptionValue scalar_value(const ConfigNode& node, const Option& option, const std::string& path);

}  // namespace bitwright
