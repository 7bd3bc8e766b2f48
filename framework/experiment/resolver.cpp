#include "experiment/resolver.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "experiment/merge.h"
#include "experiment/option_text.h"
#include "experiment/problems.h"
#include "experiment/scalar_value.h"
#include "experiment/unknown_key.h"

namespace bitwright {
namespace {

std::vector<const Option*> pointers(const Options& options) {
  std::vector<const Option*> all;
  for (const Option& o : options.list()) all.push_back(&o);
  return all;
}

// By file, in the order in which files are first mentioned, then by line; each error once.
std::vector<Error> sorted(const std::vector<Error>& problems) {
  std::vector<std::string> files;
  std::vector<Error> all;
  for (const Error& e : problems) {
    if (std::find(files.begin(), files.end(), e.place().file) == files.end())
      files.push_back(e.place().file);
    const bool known = std::any_of(all.begin(), all.end(), [&](const Error& o) {
      return std::string_view(o.what()) == e.what();
    });
    if (!known) all.push_back(e);
  }
  const auto rank = [&](const Error& e) {
    const auto file = std::find(files.begin(), files.end(), e.place().file) - files.begin();
    return std::tuple{file, e.place().line, e.place().column};
  };
  std::stable_sort(all.begin(), all.end(),
                   [&](const Error& a, const Error& b) { return rank(a) < rank(b); });
  return all;
}

// The entry that a mapping without a name means, by a key that only this entry has; null: none.
const ComponentInfo* implied(const RegistryBase& registry, const ConfigNode& node) {
  for (const std::string& name : registry.names()) {
    const ComponentInfo* const info = registry.find(name);
    if (!info->implied_by.empty() && node.find(info->implied_by) != nullptr) return info;
  }
  return nullptr;
}

Error no_name(const ConfigNode& node, const std::string& path,
              const std::vector<std::string>& names) {
  const std::string one_of = fmt::format("one of {}", fmt::join(names, ", "));
  for (const ConfigNode::Entry& entry : node.entries)
    if (entry.key != "name" && !nearest_name(entry.key, {"name"}).empty() &&
        entry.value.is_scalar() &&
        std::find(names.begin(), names.end(), entry.value.text) != names.end())
      return config_error(entry.place, fmt::format("unknown key '{}'", below(path, entry.key)),
                          "did you mean 'name'?", "correct the name or remove the key");
  return config_error(node.place, fmt::format("'{}' has no name", path), one_of, "add 'name: ...'");
}

}  // namespace

Settings Resolver::mapping(const ConfigNode& node, const Options& options, const Options& used_up) {
  root_ = &node;
  used_up_ = pointers(used_up);
  problems_.clear();
  missing_.clear();
  Settings settings;
  try {
    settings = mapping(node, options, "");
  } catch (const Error& error) {
    problems_.push_back(error);
  }
  std::vector<Error> all = sorted(problems_);
  if (!fragment_)
    for (const Error& error : sorted(missing_)) all.push_back(error);
  if (!all.empty()) throw Problems(std::move(all));
  return settings;
}

Settings Resolver::mapping(const ConfigNode& node, const Options& options,
                           const std::string& path) {
  if (!node.is_mapping())
    throw config_error(
        node.place,
        fmt::format("{} is {}", path.empty() ? "the file" : "'" + path + "'", shown(node)),
        "a mapping of keys to values", "write 'key: value' lines");
  Settings settings;
  settings.set_place(node.place);
  fill(settings, node, pointers(options), path);
  return settings;
}

void Resolver::fill(Settings& settings, const ConfigNode& node, const Known& options,
                    const std::string& path) {
  std::set<std::string> accounted;  // options that are wrong, or whose key seems to be mistyped
  for (const ConfigNode::Entry& entry : node.entries) {
    const auto at = std::find_if(options.begin(), options.end(),
                                 [&](const Option* o) { return o->name == entry.key; });
    if (at == options.end()) {
      Known known = options;
      if (path.empty()) known.insert(known.end(), used_up_.begin(), used_up_.end());
      UnknownKey unknown = unknown_key(entry, node, known, path, registries_);
      problems_.push_back(std::move(unknown.error));
      accounted.insert(unknown.meant);
      continue;
    }
    try {
      const std::string here = below(path, entry.key);
      if (entry.value.is_null())  // the parser places it on the next line: the key is named instead
        throw config_error(entry.value.place.line == 0 ? entry.value.place : entry.place,
                           fmt::format("'{}' has no value", here), describe_type(**at),
                           "give a value or remove the key");
      resolve(settings, **at, entry.value, here);
    } catch (const Error& error) {
      problems_.push_back(error);
      accounted.insert(entry.key);
    }
  }
  for (const Option* option : options)
    if (!settings.has(option->name) && !accounted.contains(option->name))
      absent(settings, *option, path);
}

void Resolver::absent(Settings& settings, const Option& option, const std::string& path) {
  const std::string here = below(path, option.name);
  const Place fallback{"default"};
  switch (option.type) {
    case OptionType::section: {
      Settings section;
      section.set_place(fallback);
      fill(section, ConfigNode::mapping(fallback), pointers(*option.section), here);
      return settings.set(option.name, std::move(section));
    }
    case OptionType::component_list:
      return settings.set(option.name, std::vector<Settings>{}, fallback);
    case OptionType::section_list:
      if (option.optional) return settings.set(option.name, std::vector<Settings>{}, fallback);
      return missing(settings, option, path);
    case OptionType::component:
      if (option.fallback)
        return settings.set(
            option.name,
            component(ConfigNode::scalar(std::get<std::string>(*option.fallback), fallback), option,
                      here));
      break;
    default:
      if (option.fallback) return settings.set(option.name, *option.fallback, fallback);
  }
  if (!option.optional) missing(settings, option, path);
}

void Resolver::missing(const Settings& settings, const Option& option, const std::string& path) {
  missing_.push_back(
      config_error(settings.place(), fmt::format("'{}' is missing", below(path, option.name)),
                   describe_type(option), fmt::format("add '{}': {}", option.name, option.doc)));
}

void Resolver::resolve(Settings& settings, const Option& option, const ConfigNode& node,
                       const std::string& path) {
  switch (option.type) {
    case OptionType::section_list:
    case OptionType::component_list:
      return resolve_list(settings, option, node, path);
    case OptionType::section:
      return settings.set(option.name, mapping(node, *option.section, path));
    case OptionType::component:
      return settings.set(option.name, component(node, option, path));
    default:
      settings.set(option.name, scalar_value(node, option, path), node.place);
  }
}

void Resolver::resolve_list(Settings& settings, const Option& option, const ConfigNode& node,
                            const std::string& path) {
  if (!node.is_list())
    throw config_error(node.place, fmt::format("'{}' is {}", path, shown(node)), "a list",
                       "put '- ' before each element");
  const bool sections = option.type == OptionType::section_list;
  if (sections && node.items.empty() && !option.optional)
    throw config_error(node.place, fmt::format("'{}' is empty", path), "at least one element");
  std::vector<Settings> all;
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const std::string at = below(path, std::to_string(i));
    try {
      all.push_back(sections ? mapping(node.items[i], *option.section, at)
                             : component(node.items[i], option, at));
    } catch (const Error& error) {
      problems_.push_back(error);
    }
  }
  settings.set(option.name, std::move(all), node.place);
}

Settings Resolver::component(const ConfigNode& given, const Option& option,
                             const std::string& path) {
  const RegistryBase* const registry = registries_.find(option.registry);
  require(registry != nullptr, "no registry '" + option.registry + "'");
  const ConfigNode* const inherited =
      option.inherits.empty() ? nullptr : root_->find(option.inherits);
  const ConfigNode node = inherited == nullptr ? given : merged(*inherited, given);

  const auto names = registry->names();
  const ConfigNode* const name_node = node.is_mapping() ? node.find("name") : &node;
  const ComponentInfo* info = name_node == nullptr ? implied(*registry, node) : nullptr;
  if (info == nullptr && name_node == nullptr && fragment_) return nameless(node, option, path);
  if (info == nullptr) {
    if (name_node == nullptr || !name_node->is_scalar() || name_node->text.empty())
      throw no_name(node, path, names);
    info = registry->find(name_node->text);
  }
  if (info == nullptr) {
    const std::string near = nearest_name(name_node->text, names);
    throw config_error(name_node->place,
                       fmt::format("'{}' is none of the {}", name_node->text, option.registry),
                       near.empty() ? fmt::format("one of {}", fmt::join(names, ", "))
                                    : fmt::format("did you mean '{}'?", near),
                       fmt::format("see 'bitwright list {}'", option.registry));
  }
  Known known;
  if (option.section) known = pointers(*option.section);
  for (const Option* o : pointers(info->options)) known.push_back(o);
  ConfigNode options = node.is_mapping() ? node : ConfigNode::mapping(node.place);
  options.remove("name");

  Settings settings;
  settings.set_place(node.place);
  settings.set_component(info->name, name_node == nullptr ? node.place : name_node->place);
  fill(settings, options, known, path);
  return settings;
}

// In a fragment the name may come from elsewhere: an option of any entry will do.
Settings Resolver::nameless(const ConfigNode& node, const Option& option, const std::string& path) {
  const RegistryBase& registry = *registries_.find(option.registry);
  Known known;
  if (option.section) known = pointers(*option.section);
  for (const std::string& name : registry.names())
    for (const Option* o : pointers(registry.find(name)->options)) known.push_back(o);
  for (const ConfigNode::Entry& entry : node.entries) {
    const auto named = [&](const Option* o) { return o->name == entry.key; };
    if (std::none_of(known.begin(), known.end(), named))
      problems_.push_back(unknown_key(entry, node, known, path, registries_).error);
  }
  return {};
}

}  // namespace bitwright
