#pragma once

#include <map>
#include <string>
#include <vector>

#include <yaml-cpp/yaml.h>

namespace bitwright {

/// Writes the overrides into the tree. The result maps each overridden path ("stages.0.steps") to
/// the override's text.
std::map<std::string, std::string> apply_overrides(YAML::Node& root,
                                                   const std::vector<std::string>& overrides);

}  // namespace bitwright
