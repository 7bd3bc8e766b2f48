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
                  list.size() == 0 ? std::string("the list is empty")
                                   : fmt::format("0 to {}", list.size() - 1),
                  "name an element of the list, or write the whole list");
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

// A copy of `node` in which the rest of the keys has the value. Only the mappings and lists on the
// way are copied, and their marks, which a copy loses, are recorded.
class Writer {
 public:
  Writer(const Override& override, OverrideRecord& record) : o_(override), record_(record) {}

  YAML::Node write(const YAML::Node& node, std::size_t depth, const std::string& path) {
    if (depth == o_.keys.size()) {
      record_.written.insert(path);
      return o_.value;
    }
    if (!node.IsDefined() || node.IsNull()) {
      record_.written.insert(path);
      return into_mapping(YAML::Node(YAML::NodeType::Map), depth, path);
    }
    if (!node.Mark().is_null()) record_.copied[path] = node.Mark();
    if (node.IsSequence()) return into_list(node, depth, path);
    if (node.IsMap()) return into_mapping(node, depth, path);
    YAML::Node component(YAML::NodeType::Map);  // the scalar is the short form of a component
    component.force_insert("name", node);
    return into_mapping(component, depth, path);
  }

 private:
  YAML::Node into_list(const YAML::Node& list, std::size_t depth, const std::string& path) {
    const std::size_t index = element(list, o_.keys[depth], o_);
    YAML::Node copy(YAML::NodeType::Sequence);
    for (std::size_t i = 0; i < list.size(); ++i) {
      const YAML::Node item = list[i];
      copy.push_back(i == index ? write(item, depth + 1, path + "." + std::to_string(i)) : item);
    }
    return copy;
  }

  YAML::Node into_mapping(const YAML::Node& mapping, std::size_t depth, const std::string& path) {
    const std::string& key = o_.keys[depth];
    const std::string below = path.empty() ? key : path + "." + key;
    YAML::Node copy(YAML::NodeType::Map);
    bool found = false;
    for (const auto& entry : mapping) {
      const bool here = entry.first.IsScalar() && entry.first.Scalar() == key;
      copy.force_insert(entry.first, here ? write(entry.second, depth + 1, below) : entry.second);
      found = found || here;
    }
    if (!found) copy.force_insert(key, write(YAML::Node(), depth + 1, below));
    return copy;
  }

  const Override& o_;
  OverrideRecord& record_;
};

}  // namespace

OverrideRecord apply_overrides(YAML::Node& root, const std::vector<std::string>& overrides) {
  OverrideRecord record;
  for (const std::string& text : overrides) {
    const Override o = parse(text);
    root.reset(Writer(o, record).write(root, 0, ""));
  }
  return record;
}

}  // namespace bitwright
