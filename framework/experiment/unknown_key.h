#pragma once

#include <string>
#include <vector>

#include <bitwright/core/registry.h>

#include "experiment/config_node.h"

namespace bitwright {

/// What is said about a key that no option has.
struct UnknownKey {
  Error error;
  std::string meant;  ///< the option that it seems to mean; empty: none
};

/// `known` are the options of the mapping, `path` is where it stands. In this order: a name that an
/// option had in an earlier version or has elsewhere in the field, the nearest name that the
/// mapping does not have yet, the nearest name at all, the same name one level below.
UnknownKey unknown_key(const ConfigNode::Entry& entry, const ConfigNode& mapping,
                       const std::vector<const Option*>& known, const std::string& path,
                       const Registries& registries);

}  // namespace bitwright
