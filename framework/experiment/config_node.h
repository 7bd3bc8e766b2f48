#pragma once
// Configuration as a tree of plain values in which everything knows where it was written. Files are
// read into it, extended, overridden and referred to; the resolver turns it into Settings.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <bitwright/core/error.h>

namespace bitwright {

struct ConfigNode {
  enum class Kind { null, scalar, list, mapping };
  struct Entry;

  Kind kind = Kind::null;
  std::string text;     ///< of a scalar
  bool quoted = false;  ///< a scalar that is text even if it looks like a number
  Place place;
  std::vector<ConfigNode> items;  ///< of a list
  std::vector<Entry> entries;     ///< of a mapping, in the order of the file; keys are unique

  bool is_null() const { return kind == Kind::null; }
  bool is_scalar() const { return kind == Kind::scalar; }
  bool is_list() const { return kind == Kind::list; }
  bool is_mapping() const { return kind == Kind::mapping; }

  /// The value of a key; null where there is none, or no mapping.
  const ConfigNode* find(std::string_view key) const;
  ConfigNode* find(std::string_view key);
  const Entry* entry(std::string_view key) const;
  /// Sets a key, which keeps its own place where it was there already.
  void set(std::string_view key, ConfigNode value);
  void remove(std::string_view key);

  static ConfigNode scalar(std::string text, Place place);
  static ConfigNode mapping(Place place);
  static ConfigNode list(Place place);
};

struct ConfigNode::Entry {
  std::string key;
  Place place;
  ConfigNode value;
};

/// "'text'", "a mapping", "a list", "nothing": what stands there, for messages.
std::string shown(const ConfigNode& node);

/// The value in YAML's flow style, in one line: for people and for names.
std::string flow_text(const ConfigNode& node);

/// The mapping that a scalar is short for where a component is expected: {name: scalar}.
ConfigNode long_form(const ConfigNode& scalar);

/// "a.b" from "a" and "b"; "b" from "" and "b".
std::string below(std::string_view path, std::string_view key);

/// The parts of "stages.float.steps". Throws a configuration error at `where` for an empty part.
std::vector<std::string> split_path(const std::string& path, const Place& where);

/// The place in a list that a part of a path names: an index, or the `name` (or text) of an
/// element. Throws a configuration error at `where`, with the nearest name.
std::size_t element_of(const ConfigNode& list, const std::string& part, const Place& where,
                       const std::string& path);

/// The value at a path; null where there is none.
const ConfigNode* find_path(const ConfigNode& root, const std::string& path);

}  // namespace bitwright
