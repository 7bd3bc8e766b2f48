#pragma once

#include <string>

#include "experiment/config_node.h"

namespace bitwright {

/// Limits on what a file may hold: far beyond any experiment, and small enough that a mistaken or
/// hostile file is refused at once.
inline constexpr std::size_t max_config_bytes = 1 << 20;
inline constexpr std::size_t max_config_nodes = 100'000;  ///< aliases written out
inline constexpr std::size_t max_config_depth = 64;

/// The one mapping that a YAML text holds; `name` stands for the file in messages. Throws a
/// configuration error for all that is no YAML, a key that stands twice, tags, and texts beyond the
/// limits.
ConfigNode read_yaml(const std::string& text, const std::string& name);

/// A value in YAML's flow style, as an override gives it, every part of it at `place`.
ConfigNode read_yaml_value(const std::string& text, const Place& place);

/// The text of a file. Throws a configuration error, with `expected` in it, when it cannot be read
/// or is too large.
std::string read_config_file(const std::string& file, const Place& where);

}  // namespace bitwright
