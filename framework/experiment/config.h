#pragma once
// Experiment files: read, overridden, validated against the declared options, written back.

#include <string>
#include <vector>

#include <bitwright/core/registry.h>

namespace bitwright {

/// Reads FILE, applies `overrides` ("key.sub=value", values in YAML flow style; elements of lists
/// by index or by their `name`), and validates against `options`. Throws the first problem found,
/// an unknown key before what may be missing because of it.
Settings load_config(const std::string& file, const std::vector<std::string>& overrides,
                     const Options& options, const Registries& registries);

/// The same for text; `name` stands for the file in messages.
Settings parse_config(const std::string& text, const std::string& name,
                      const std::vector<std::string>& overrides, const Options& options,
                      const Registries& registries);

/// YAML with every value, defaults included; it loads to the same settings. With `origins` each
/// value's line ends in a comment that says where the value came from.
std::string emit_config(const Settings& settings, const Options& options,
                        const Registries& registries, bool origins = false);

/// What the declared options cannot say: unique stage names, a usable name, a number of threads,
/// one length per stage, options that exclude each other.
void check_experiment(const Settings& config);

}  // namespace bitwright
