#include "experiment/overrides.h"

#include <fmt/format.h>
#include <yaml-cpp/exceptions.h>

#include "experiment/read_yaml.h"

namespace bitwright {
namespace {

Error refused(const std::string& text, const Place& place, std::string_view what,
              std::string_view expected, std::string_view remedy) {
  return config_error(place, fmt::format("'{}': {}", text, what), expected, remedy);
}

ConfigNode value_of(const std::string& text, std::size_t equals, const Place& place) {
  try {
    return read_yaml_value(text.substr(equals + 1), place);
  } catch (const YAML::Exception& e) {
    throw refused(text, place, e.msg, "a YAML value",
                  "quote it for the shell if it has spaces or brackets");
  }
}

// The node that `part` names below `node`, made if need be.
ConfigNode& step_into(ConfigNode& node, const std::string& part, const std::string& text,
                      const Place& place) {
  if (node.is_list()) return node.items[element_of(node, part, place, text)];
  if (node.is_null()) node = ConfigNode::mapping(place);
  if (node.is_scalar()) {
    node = long_form(node);
    node.place = place;
  }
  if (node.find(part) == nullptr) {
    ConfigNode nothing;
    nothing.place = place;
    node.set(part, std::move(nothing));
  }
  return *node.find(part);
}

// `text` is what messages quote.
void write(ConfigNode& root, const std::string& path, const std::string& text, ConfigNode value,
           const Place& place) {
  const auto parts = split_path(path, place);
  if (parts.size() > max_config_depth)
    throw refused(text, place, "the path is too long", "key.sub", "shorten it");
  ConfigNode* at = &root;
  for (const std::string& part : parts) at = &step_into(*at, part, text, place);
  *at = std::move(value);
}

}  // namespace

void apply_override(ConfigNode& root, const std::string& text, const Place& place) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    throw refused(text, place, "is no override", "key.sub=value",
                  "write the key, '=', and a YAML value");
  write(root, text.substr(0, equals), text, value_of(text, equals, place), place);
}

void write_value(ConfigNode& root, const std::string& path, ConfigNode value, const Place& place) {
  write(root, path, path, std::move(value), place);
}

void apply_overrides(ConfigNode& root, const std::vector<std::string>& overrides) {
  for (const std::string& text : overrides) apply_override(root, text, Place{"command line"});
}

}  // namespace bitwright
