#pragma once
// Experiment files: read, composed, overridden, validated against the declared options, written
// back.

#include <string>
#include <vector>

#include <bitwright/core/registry.h>

#include "experiment/config_node.h"

namespace bitwright {

/// A file on top of what it extends, with the overrides of the command line.
struct ConfigFile {
  std::string name;
  ConfigNode tree;
  bool fragment = false;  ///< the file is only meant to be extended by others
};

/// Reads FILE and applies `overrides` ("key.sub=value", values in YAML flow style; elements of
/// lists by index or by their `name`). Throws configuration errors.
ConfigFile read_config(const std::string& file, const std::vector<std::string>& overrides);
/// The same for text; `name` stands for the file in messages.
ConfigFile read_config_text(const std::string& text, const std::string& name,
                            const std::vector<std::string>& overrides);

/// Replaces references and validates. Throws Problems; of a fragment only what is there is
/// validated, and the settings that come back may be incomplete.
Settings resolve_config(ConfigFile file, const Options& options, const Registries& registries);

/// Both at once; a fragment is refused.
Settings load_config(const std::string& file, const std::vector<std::string>& overrides,
                     const Options& options, const Registries& registries);
Settings parse_config(const std::string& text, const std::string& name,
                      const std::vector<std::string>& overrides, const Options& options,
                      const Registries& registries);

/// YAML with every value, defaults included; it loads to the same settings. With `origins` each
/// value's line ends in a comment that says where the value came from.
std::string emit_config(const Settings& settings, const Options& options,
                        const Registries& registries, bool origins = false);

/// Throws a configuration error at `where` for a name that is not safe in every file system.
void check_folder_name(const std::string& name, const Place& where);

/// What the declared options cannot say: unique stage names, a usable name, a number of threads,
/// one length per stage, options that exclude each other. Throws Problems.
void check_experiment(const Settings& config);

}  // namespace bitwright
