#include "experiment/unknown_key.h"

#include <fmt/format.h>

namespace bitwright {
namespace {

using Known = std::vector<const Option*>;

const Option* by_other_name(const std::string& key, const Known& known, OtherName& found) {
  for (const Option* option : known)
    for (const OtherName& other : option->other_names)
      if (other.name == key) {
        found = other;
        return option;
      }
  return nullptr;
}

// "optimizer.learning_rate" for a key that belongs one level further down.
std::string one_level_below(const std::string& key, const ConfigNode& mapping, const Known& known,
                            const Registries& registries) {
  for (const Option* option : known) {
    const bool section = option->type == OptionType::section;
    if ((section || option->type == OptionType::component) && option->section &&
        option->section->find(key) != nullptr)
      return below(option->name, key);
    const ConfigNode* const value = mapping.find(option->name);
    if (option->type != OptionType::component || value == nullptr) continue;
    const ConfigNode* const name = value->is_scalar() ? value : value->find("name");
    const RegistryBase* const registry = registries.find(option->registry);
    const ComponentInfo* const info =
        name == nullptr || registry == nullptr ? nullptr : registry->find(name->text);
    if (info != nullptr && info->options.find(key) != nullptr) return below(option->name, key);
  }
  return "";
}

// Among equally near names those come first that the mapping does not have yet.
std::string nearest(const std::string& key, const ConfigNode& mapping, const Known& known) {
  std::vector<std::string> names, present;
  for (const Option* option : known)
    (mapping.find(option->name) == nullptr ? names : present).push_back(option->name);
  names.insert(names.end(), present.begin(), present.end());
  return nearest_name(key, names);
}

std::string all_names(const Known& known) {
  std::vector<std::string> names;
  for (const Option* option : known) names.push_back(option->name);
  return fmt::format("one of {}", fmt::join(names, ", "));
}

}  // namespace

UnknownKey unknown_key(const ConfigNode::Entry& entry, const ConfigNode& mapping,
                       const Known& known, const std::string& path, const Registries& registries) {
  const std::string& key = entry.key;
  // A key that the command line adds below a mapping of the file stands on the command line.
  const std::string what = fmt::format("unknown key '{}'", below(path, key));
  const std::string remedy = "correct the name or remove the key";
  const auto answer = [&](std::string_view expected, std::string meant) {
    return UnknownKey{config_error(entry.place, what, expected, remedy), std::move(meant)};
  };
  OtherName other;
  if (const Option* const option = by_other_name(key, known, other)) {
    if (other.until == 0)
      return answer(fmt::format("it is called '{}' here: {}", option->name, option->doc),
                    option->name);
    return answer(fmt::format("it is called '{}' since version {} of experiment files: {}",
                              option->name, other.until + 1, option->doc),
                  option->name);
  }
  if (key == "<<") return answer("YAML's merge key is not used; see 'extends'", "");
  const std::string near = nearest(key, mapping, known);
  const std::string lower = one_level_below(key, mapping, known, registries);
  if (!lower.empty()) return answer(fmt::format("did you mean '{}'?", lower), "");
  if (near.empty()) return answer(all_names(known), "");
  return answer(fmt::format("did you mean '{}'?", near), near);
}

}  // namespace bitwright
