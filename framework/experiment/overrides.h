#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include <yaml-cpp/yaml.h>

namespace bitwright {

/// What overrides did to a tree, by path ("stages.0.steps").
struct OverrideRecord {
  std::set<std::string> written;             ///< come from the command line, with all below them
  std::map<std::string, YAML::Mark> copied;  ///< mappings and lists of the file that were copied
};

/// Replaces the tree by one with the overrides written into it. Nodes are never changed in place:
/// aliases share them, and an override means the one place that it names.
OverrideRecord apply_overrides(YAML::Node& root, const std::vector<std::string>& overrides);

}  // namespace bitwright
