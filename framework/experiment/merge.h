#pragma once
// How one configuration lies on top of another.

#include <string>
#include <vector>

#include "experiment/config_node.h"

namespace bitwright {

/// What a file says about how it changes what it extends: paths such as "stages.float.methods".
/// Parts of a path that go through a list are an index or the `name` of an element.
struct MergeRules {
  struct Rule {
    std::string path;
    Place place;
  };
  std::vector<Rule> remove;  ///< of the base, before anything else
  std::vector<Rule> append;  ///< lists whose elements come behind the base's
  std::vector<Rule> patch;   ///< lists whose elements change the base's of the same name
};

/// `over` on top of `base`:
///   - mappings are merged key by key; everything else, lists included, is replaced;
///   - a mapping on a scalar changes the options of the component that the scalar names;
///   - lists are appended or patched where the rules say so.
/// Throws a configuration error for a rule that applies to nothing and for an element to patch that
/// the base lacks.
ConfigNode merged(ConfigNode base, const ConfigNode& over, const MergeRules& rules = {});

}  // namespace bitwright
