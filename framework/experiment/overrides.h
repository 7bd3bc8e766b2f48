#pragma once

#include <string>
#include <vector>

#include "experiment/config_node.h"

namespace bitwright {

/// Writes "key.sub=value" into the tree. The value is YAML in flow style; parts of the path that go
/// through a list are an index or the `name` of an element; mappings that are missing on the way
/// come into being, and a scalar that stands for a component becomes its long form. What is written
/// is at `place`. Throws a configuration error there.
void apply_override(ConfigNode& root, const std::string& text, const Place& place);

/// Writes a value below `path`, with parts and failures as above; what comes into being on the way
/// is at `place`.
void write_value(ConfigNode& root, const std::string& path, ConfigNode value, const Place& place);

/// All of them in order, from the command line.
void apply_overrides(ConfigNode& root, const std::vector<std::string>& overrides);

}  // namespace bitwright
