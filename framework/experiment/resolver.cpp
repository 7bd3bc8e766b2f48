#include "experiment/resolver.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "experiment/option_text.h"

namespace bitwright {
namespace {

std::string below(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

std::vector<const Option*> pointers(const Options& options) {
  std::vector<const Option*> all;
  for (const Option& o : options.list()) all.push_back(&o);
  return all;
}

// A plain scalar that the number fills entirely; quoted text is never a number.
template <class T>
std::optional<T> number(const YAML::Node& node) {
  if (!node.IsScalar() || node.Tag() == "!") return {};
  const std::string& text = node.Scalar();
  if constexpr (std::is_same_v<T, double>) {
    if (text == ".inf" || text == "+.inf") return std::numeric_limits<double>::infinity();
    if (text == "-.inf") return -std::numeric_limits<double>::infinity();
  }
  T result{};
  const bool plus = text.starts_with('+') && !text.starts_with("+-");
  const char* const first = text.data() + (plus ? 1 : 0);
  const auto [end, error] = std::from_chars(first, text.data() + text.size(), result);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  if constexpr (std::is_same_v<T, double>)
    if (!std::isfinite(result)) return {};
  return result;
}

std::string shown(const YAML::Node& node) {
  if (node.IsScalar()) return "'" + node.Scalar() + "'";
  return node.IsMap() ? "a mapping" : node.IsSequence() ? "a list" : "nothing";
}

}  // namespace

bool Resolver::overridden(const std::string& path) const {
  for (std::string at = path;; at.erase(at.rfind('.'))) {
    if (overrides_.written.contains(at)) return true;
    if (at.find('.') == std::string::npos) return false;
  }
}

Place Resolver::place_of_mark(const YAML::Mark& mark) const {
  return mark.is_null() ? Place{file_} : Place{file_, mark.line + 1, mark.column + 1};
}

Place Resolver::place(const YAML::Node& node, const std::string& path) const {
  if (overridden(path)) return Place{"command line"};
  const auto copied = overrides_.copied.find(path);
  return place_of_mark(copied == overrides_.copied.end() ? node.Mark() : copied->second);
}

// The file's own key stays where it is, also when the command line gives it another value.
Place Resolver::place_of_key(const YAML::Node& key, const std::string& mapping) const {
  const bool added = key.Mark().is_null() || overridden(mapping);
  return added ? Place{"command line"} : place_of_mark(key.Mark());
}

// An override that goes below a scalar ("seed.x=1") makes it the mapping that is refused.
Place Resolver::place_of_wrong(const YAML::Node& node, const std::string& path) const {
  const auto below = overrides_.written.lower_bound(path + ".");
  const bool overridden = below != overrides_.written.end() && below->starts_with(path + ".");
  return overridden && !node.IsScalar() ? Place{"command line"} : place(node, path);
}

void Resolver::refuse_unknown(const YAML::Node& node, const std::vector<const Option*>& known,
                              const std::string& path) const {
  std::vector<std::string> names;
  for (const Option* o : known) names.push_back(o->name);
  std::set<std::string> seen;
  for (const auto& entry : node) {
    if (!entry.first.IsScalar())
      throw config_error(place_of_key(entry.first, path), "a key is no plain text",
                         "a declared name", "remove the brackets or braces");
    const std::string& key = entry.first.Scalar();
    const Place where = place_of_key(entry.first, path);
    if (!seen.insert(key).second)
      throw config_error(where, fmt::format("key '{}' stands here twice", key), "each key once",
                         "remove one");
    if (std::find(names.begin(), names.end(), key) != names.end()) continue;
    const std::string near = nearest_name(key, names);
    throw config_error(where, fmt::format("unknown key '{}'", below(path, key)),
                       near.empty() ? fmt::format("one of {}", fmt::join(names, ", "))
                                    : fmt::format("did you mean '{}'?", near),
                       "correct the name or remove the key");
  }
}

// The parser places a value that is not there on the next line, so the key is named instead.
void Resolver::refuse_null(const YAML::Node& node, const Option& option,
                           const std::string& path) const {
  const std::string here = below(path, option.name);
  for (const auto& entry : node)
    if (entry.first.Scalar() == option.name)
      throw config_error(overridden(here) ? Place{"command line"} : place_of_key(entry.first, path),
                         fmt::format("'{}' has no value", here), describe_type(option),
                         "give a value or remove the key");
}

Settings Resolver::mapping(const YAML::Node& node, const Options& options,
                           const std::string& path) const {
  if (!node.IsMap())
    throw config_error(
        place(node, path),
        fmt::format("{} is {}", path.empty() ? "the file" : "'" + path + "'", shown(node)),
        "a mapping of keys to values", "write 'key: value' lines");
  Settings settings;
  settings.set_place(place(node, path));
  const auto known = pointers(options);
  refuse_unknown(node, known, path);
  fill(settings, node, known, path);
  return settings;
}

void Resolver::fill(Settings& settings, const YAML::Node& node,
                    const std::vector<const Option*>& options, const std::string& path) const {
  for (const Option* option : options) {
    const YAML::Node child = node.IsMap() ? node[option->name] : YAML::Node();
    if (child.IsDefined() && !child.IsNull()) {
      resolve(settings, *option, child, below(path, option->name));
    } else if (child.IsDefined() && node.IsMap()) {
      refuse_null(node, *option, path);
    }
  }
  for (const Option* option : options)
    if (!settings.has(option->name)) absent(settings, *option, settings.place(), path);
}

void Resolver::absent(Settings& settings, const Option& option, const Place& mapping,
                      const std::string& path) const {
  const std::string here = below(path, option.name);
  const YAML::Node nothing(YAML::NodeType::Map);
  switch (option.type) {
    case OptionType::section: {
      Settings section;
      section.set_place(Place{"default"});
      fill(section, nothing, pointers(*option.section), here);
      return settings.set(option.name, std::move(section));
    }
    case OptionType::component_list:
      return settings.set(option.name, std::vector<Settings>{}, Place{"default"});
    case OptionType::component:
      if (option.fallback) {
        YAML::Node named(YAML::NodeType::Map);
        named["name"] = std::get<std::string>(*option.fallback);
        Settings made = component(named, option, here);
        made.set_place(Place{"default"});
        made.set_component(made.name(), Place{"default"});
        return settings.set(option.name, std::move(made));
      }
      break;
    default:
      if (option.fallback) return settings.set(option.name, *option.fallback, Place{"default"});
  }
  if (option.optional) return;
  throw config_error(mapping, fmt::format("'{}' is missing", here), describe_type(option),
                     fmt::format("add '{}': {}", option.name, option.doc));
}

void Resolver::resolve(Settings& settings, const Option& option, const YAML::Node& node,
                       const std::string& path) const {
  const bool list =
      option.type == OptionType::section_list || option.type == OptionType::component_list;
  if (list) {
    if (!node.IsSequence())
      throw config_error(place_of_wrong(node, path), fmt::format("'{}' is {}", path, shown(node)),
                         "a list", "put '- ' before each element");
    std::vector<Settings> all;
    for (std::size_t i = 0; i < node.size(); ++i) {
      const std::string at = below(path, std::to_string(i));
      all.push_back(option.type == OptionType::section_list ? mapping(node[i], *option.section, at)
                                                            : component(node[i], option, at));
    }
    if (option.type == OptionType::section_list && all.empty())
      throw config_error(place(node, path), fmt::format("'{}' is empty", path),
                         "at least one element");
    return settings.set(option.name, std::move(all), place(node, path));
  }
  if (option.type == OptionType::section)
    return settings.set(option.name, mapping(node, *option.section, path));
  if (option.type == OptionType::component)
    return settings.set(option.name, component(node, option, path));
  settings.set(option.name, value(node, option, path), place(node, path));
}

Settings Resolver::component(const YAML::Node& node, const Option& option,
                             const std::string& path) const {
  const RegistryBase* const registry = registries_.find(option.registry);
  require(registry != nullptr, "no registry '" + option.registry + "'");
  const YAML::Node name_node = node.IsMap() ? node["name"] : node;
  const auto names = registry->names();
  if (!name_node.IsDefined() || !name_node.IsScalar() || name_node.Scalar().empty())
    throw config_error(place(node, path), fmt::format("'{}' has no name", path),
                       fmt::format("one of {}", fmt::join(names, ", ")), "add 'name: ...'");
  const std::string& name = name_node.Scalar();
  const ComponentInfo* const info = registry->find(name);
  if (info == nullptr) {
    const std::string near = nearest_name(name, names);
    throw config_error(place(name_node, below(path, "name")),
                       fmt::format("'{}' is none of the {}", name, option.registry),
                       near.empty() ? fmt::format("one of {}", fmt::join(names, ", "))
                                    : fmt::format("did you mean '{}'?", near),
                       fmt::format("see 'bitwright list {}'", option.registry));
  }
  static const Options name_option = Options{}.text("name", "");
  std::vector<const Option*> known = pointers(name_option);
  if (option.section)
    for (const Option* o : pointers(*option.section)) known.push_back(o);
  for (const Option* o : pointers(info->options)) known.push_back(o);
  if (node.IsMap()) refuse_unknown(node, known, path);
  known.erase(known.begin());

  Settings settings;
  settings.set_place(place(node, path));
  settings.set_component(name, place(name_node, node.IsMap() ? below(path, "name") : path));
  fill(settings, node, known, path);
  return settings;
}

template <class T>
std::vector<T> Resolver::list(const YAML::Node& node, const Option& option,
                              const std::string& path) const {
  if (!node.IsSequence())
    throw config_error(place_of_wrong(node, path), fmt::format("'{}' is {}", path, shown(node)),
                       describe_type(option), "write [a, b, ...]");
  Option element = option;
  element.type = std::is_same_v<T, double>         ? OptionType::real
                 : std::is_same_v<T, std::int64_t> ? OptionType::integer
                 : std::is_same_v<T, Length>       ? OptionType::length
                                                   : OptionType::text;
  std::vector<T> all;
  for (std::size_t i = 0; i < node.size(); ++i)
    all.push_back(std::get<T>(value(node[i], element, below(path, std::to_string(i)))));
  return all;
}

OptionValue Resolver::value(const YAML::Node& node, const Option& option,
                            const std::string& path) const {
  const auto wrong = [&](std::string_view what) {
    return config_error(place_of_wrong(node, path), fmt::format("'{}' {}", path, what),
                        describe_type(option), option.doc);
  };
  const auto in_range = [&](auto n) {
    const double d = static_cast<double>(n);
    const bool low = option.low && (option.low_exclusive ? d <= *option.low : d < *option.low);
    if (low || (option.high && d > *option.high))
      throw wrong(fmt::format("is {}, which is out of range", node.Scalar()));
    return n;
  };
  switch (option.type) {
    case OptionType::real_list:
      return list<double>(node, option, path);
    case OptionType::integer_list:
      return list<std::int64_t>(node, option, path);
    case OptionType::text_list:
      return list<std::string>(node, option, path);
    case OptionType::length_list:
      return list<Length>(node, option, path);
    default:
      break;
  }
  if (!node.IsScalar()) throw wrong("is " + shown(node));
  const std::string& text = node.Scalar();
  if (option.type == OptionType::boolean) {
    if ((text == "true" || text == "false") && node.Tag() != "!") return text == "true";
    throw wrong("is " + shown(node));
  }
  if (option.type == OptionType::integer) {
    if (const auto n = number<std::int64_t>(node)) return in_range(*n);
    throw wrong("is " + shown(node));
  }
  if (option.type == OptionType::real) {
    if (const auto n = number<double>(node)) return in_range(*n);
    throw wrong("is " + shown(node));
  }
  if (option.type == OptionType::length) {
    const auto length = Length::parse(text);
    const bool quoted_number = node.Tag() == "!" && length && length->unit == Length::Unit::steps;
    if (!length || quoted_number) throw wrong("is " + shown(node));
    in_range(length->amount);
    return *length;
  }
  if (option.type == OptionType::choice &&
      std::find(option.choices.begin(), option.choices.end(), text) == option.choices.end()) {
    const std::string near = nearest_name(text, option.choices);
    throw wrong("is " + shown(node) + (near.empty() ? "" : ", did you mean '" + near + "'?"));
  }
  return text;
}

}  // namespace bitwright
