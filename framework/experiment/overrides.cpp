#include "experiment/overrides.h"

#include <fmt/format.h>

#include <bitwright/core/error.h>
#include <bitwright/core/options.h>

namespace bitwright {
namespace {

struct Override {
  std::string text;
  std::vector<std::string> keys;
  YAML::Node value;

  Error error(std::string_view what, std::string_view expected, std::string_view remedy) const {
    return config_error(Place{"command line"}, fmt::format("'{}': {}", text, what), expected,
                        remedy);
  }
};

Override parse(const std::string& text) {
  Override o{text, {}, {}};
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    throw o.error("is no override", "key.sub=value", "write the key, '=', and a YAML value");
  std::string key = text.substr(0, equals) + ".";
  for (std::size_t dot; (dot = key.find('.')) != std::string::npos; key.erase(0, dot + 1)) {
    if (dot == 0) throw o.error("has an empty key", "key.sub=value", "remove the extra dot");
    o.keys.push_back(key.substr(0, dot));
  }
  try {
    o.value = YAML::Load(text.substr(equals + 1));
  } catch (const YAML::Exception& e) {
    throw o.error(e.msg, "a YAML value", "quote it for the shell if it has spaces or brackets");
  }
  return o;
}

// The element of a list that a key names: its index, or the `name` of the element.
std::size_t element(const YAML::Node& list, const std::string& key, const Override& o) {
  if (key.find_first_not_of("0123456789") == std::string::npos && key.size() < 9) {
    const std::size_t index = std::stoul(key);
    if (index < list.size()) return index;
    throw o.error(fmt::format("there is no element {}", index),
                  fmt::format("0 to {}", static_cast<int>(list.size()) - 1), "use one of these");
  }
  std::vector<std::string> names;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const YAML::Node item = list[i];
    names.push_back(item.IsScalar()                ? item.Scalar()
                    : item.IsMap() && item["name"] ? item["name"].Scalar()
                                                   : "");
    if (names.back() == key) return i;
  }
  const std::string near = nearest_name(key, names);
  throw o.error(fmt::format("no element is called '{}'", key),
                near.empty() ? fmt::format("one of {}", fmt::join(names, ", "))
                             : fmt::format("did you mean '{}'?", near),
                "use the name of an element, or its index");
}

// Replaces `node` by what the rest of the keys and the value make of it; returns the path taken.
std::string write(YAML::Node node, std::size_t depth, const Override& o) {
  const std::string& key = o.keys[depth];
  const bool last = depth + 1 == o.keys.size();
  if (node.IsSequence()) {
    const std::size_t index = element(node, key, o);
    const std::string here = std::to_string(index);
    if (last) {
      node[index] = o.value;
      return here;
    }
    if (node[index].IsScalar()) {  // the short form of a component
      YAML::Node component(YAML::NodeType::Map);
      component["name"] = node[index].Scalar();
      node[index] = component;
    }
    return here + "." + write(node[index], depth + 1, o);
  }
  if (!node.IsMap())
    throw o.error(fmt::format("'{}' is no mapping here", o.keys[depth ? depth - 1 : 0]),
                  "a key that has keys of its own", "shorten the key");
  if (last) {
    node[key] = o.value;
    return key;
  }
  if (!node[key] || node[key].IsNull()) {
    node[key] = YAML::Node(YAML::NodeType::Map);
  } else if (node[key].IsScalar()) {
    YAML::Node component(YAML::NodeType::Map);
    component["name"] = node[key].Scalar();
    node[key] = component;
  }
  return key + "." + write(node[key], depth + 1, o);
}

}  // namespace

std::map<std::string, std::string> apply_overrides(YAML::Node& root,
                                                   const std::vector<std::string>& overrides) {
  std::map<std::string, std::string> paths;
  for (const std::string& text : overrides) {
    const Override o = parse(text);
    paths[write(root, 0, o)] = text;
  }
  return paths;
}

}  // namespace bitwright
