#include "experiment/config.h"

#include <fmt/format.h>

#include "experiment/compose.h"
#include "experiment/overrides.h"
#include "experiment/read_yaml.h"
#include "experiment/references.h"
#include "experiment/resolver.h"
#include "experiment/sweep_options.h"

namespace bitwright {

ConfigFile read_config_text(const std::string& text, const std::string& name,
                            const std::vector<std::string>& overrides) {
  Composed composed = compose(read_yaml(text, name), name);
  apply_overrides(composed.tree, overrides);
  return {name, std::move(composed.tree), composed.fragment};
}

ConfigFile read_config(const std::string& file, const std::vector<std::string>& overrides) {
  return read_config_text(read_config_file(file, Place{file}), file, overrides);
}

// Experiments may have sweeps, tables have none.
static Options used_up_before(const Options& options) {
  Options all = composition_options();
  const Options sweep = sweep_options();
  if (options.find("stages") != nullptr)
    for (const Option& option : sweep.list()) all.add(option);
  return all;
}

Settings resolve_config(ConfigFile file, const Options& options, const Registries& registries) {
  replace_references(file.tree, file.fragment);
  return Resolver(registries, file.fragment).mapping(file.tree, options, used_up_before(options));
}

static Settings resolve_whole(ConfigFile file, const Options& options,
                              const Registries& registries) {
  if (file.fragment)
    throw config_error(Place{file.name}, "the file is a fragment, which only others extend",
                       "an experiment", "name a file that extends it, or remove 'fragment: true'");
  return resolve_config(std::move(file), options, registries);
}

Settings parse_config(const std::string& text, const std::string& name,
                      const std::vector<std::string>& overrides, const Options& options,
                      const Registries& registries) {
  return resolve_whole(read_config_text(text, name, overrides), options, registries);
}

Settings load_config(const std::string& file, const std::vector<std::string>& overrides,
                     const Options& options, const Registries& registries) {
  return resolve_whole(read_config(file, overrides), options, registries);
}

void check_folder_name(const std::string& name, const Place& where) {
  constexpr auto allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  if (name.empty() || name.find_first_not_of(allowed) != std::string::npos || name[0] == '.')
    throw config_error(where, fmt::format("'{}' cannot name a folder", name),
                       "letters, digits, '.', '_' and '-'", "choose another name");
}

}  // namespace bitwright
