#include "experiment/config_node.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <bitwright/core/options.h>

namespace bitwright {

const ConfigNode::Entry* ConfigNode::entry(std::string_view key) const {
  const auto at =
      std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.key == key; });
  return at == entries.end() ? nullptr : &*at;
}

const ConfigNode* ConfigNode::find(std::string_view key) const {
  const Entry* const found = entry(key);
  return found == nullptr ? nullptr : &found->value;
}

ConfigNode* ConfigNode::find(std::string_view key) {
  return const_cast<ConfigNode*>(std::as_const(*this).find(key));
}

void ConfigNode::set(std::string_view key, ConfigNode value) {
  if (ConfigNode* const there = find(key)) {
    *there = std::move(value);
  } else {
    Place place = value.place;
    entries.push_back({std::string(key), std::move(place), std::move(value)});
  }
}

void ConfigNode::remove(std::string_view key) {
  std::erase_if(entries, [&](const Entry& e) { return e.key == key; });
}

ConfigNode ConfigNode::scalar(std::string text, Place place) {
  ConfigNode node;
  node.kind = Kind::scalar;
  node.text = std::move(text);
  node.place = std::move(place);
  return node;
}

ConfigNode ConfigNode::mapping(Place place) {
  ConfigNode node;
  node.kind = Kind::mapping;
  node.place = std::move(place);
  return node;
}

ConfigNode ConfigNode::list(Place place) {
  ConfigNode node;
  node.kind = Kind::list;
  node.place = std::move(place);
  return node;
}

std::string shown(const ConfigNode& node) {
  switch (node.kind) {
    case ConfigNode::Kind::scalar:
      return "'" + node.text + "'";
    case ConfigNode::Kind::mapping:
      return "a mapping";
    case ConfigNode::Kind::list:
      return "a list";
    default:
      return "nothing";
  }
}

std::string flow_text(const ConfigNode& node) {
  std::vector<std::string> parts;
  for (const ConfigNode& item : node.items) parts.push_back(flow_text(item));
  for (const ConfigNode::Entry& entry : node.entries)
    parts.push_back(fmt::format("{}: {}", entry.key, flow_text(entry.value)));
  if (node.is_list()) return fmt::format("[{}]", fmt::join(parts, ", "));
  if (node.is_mapping()) return fmt::format("{{{}}}", fmt::join(parts, ", "));
  return node.text;
}

ConfigNode long_form(const ConfigNode& scalar) {
  ConfigNode component = ConfigNode::mapping(scalar.place);
  component.set("name", scalar);
  return component;
}

std::string below(std::string_view path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

std::vector<std::string> split_path(const std::string& path, const Place& where) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (true) {
    const std::size_t dot = std::min(path.find('.', begin), path.size());
    if (dot == begin)
      throw config_error(where, fmt::format("'{}' has an empty key", path), "key.sub",
                         "remove the extra dot");
    parts.push_back(path.substr(begin, dot - begin));
    if (dot == path.size()) return parts;
    begin = dot + 1;
  }
}

static std::string name_of(const ConfigNode& element) {
  if (element.is_scalar()) return element.text;
  const ConfigNode* const name = element.find("name");
  return name != nullptr && name->is_scalar() ? name->text : "";
}

std::size_t element_of(const ConfigNode& list, const std::string& part, const Place& where,
                       const std::string& path) {
  const bool digits = part.find_first_not_of("0123456789") == std::string::npos;
  if (digits && !part.empty() && part.size() < 9) {
    const std::size_t index = std::stoul(part);
    if (index < list.items.size()) return index;
    throw config_error(where, fmt::format("'{}': there is no element {}", path, index),
                       list.items.empty() ? std::string("the list is empty")
                                          : fmt::format("0 to {}", list.items.size() - 1),
                       "name an element of the list, or write the whole list");
  }
  std::vector<std::string> names;
  for (const ConfigNode& item : list.items) {
    names.push_back(name_of(item));
    if (names.back() == part) return names.size() - 1;
  }
  const std::string near = nearest_name(part, names);
  throw config_error(where, fmt::format("'{}': no element is called '{}'", path, part),
                     near.empty() ? fmt::format("one of {}", fmt::join(names, ", "))
                                  : fmt::format("did you mean '{}'?", near),
                     "use the name of an element, or its index");
}

static const ConfigNode* child(const ConfigNode& node, const std::string& part) {
  if (node.is_mapping()) return node.find(part);
  if (!node.is_list()) return nullptr;
  try {
    return &node.items[element_of(node, part, node.place, part)];
  } catch (const Error&) {
    return nullptr;
  }
}

const ConfigNode* find_path(const ConfigNode& root, const std::string& path) {
  const ConfigNode* at = &root;
  std::string rest = path;
  while (true) {
    const std::string part = rest.substr(0, rest.find('.'));
    at = child(*at, part);
    if (at == nullptr || part.size() == rest.size()) return at;
    rest.erase(0, part.size() + 1);
  }
}

}  // namespace bitwright
