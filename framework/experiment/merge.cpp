#include "experiment/merge.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include <bitwright/core/options.h>

namespace bitwright {
namespace {

using Rule = MergeRules::Rule;

// Removes what a path names; every part of it must be there.
void remove(ConfigNode& base, const Rule& rule) {
  const auto parts = split_path(rule.path, rule.place);
  ConfigNode* at = &base;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool last = i + 1 == parts.size();
    if (at->is_list()) {
      const std::size_t index = element_of(*at, parts[i], rule.place, rule.path);
      if (last)
        at->items.erase(at->items.begin() + static_cast<std::ptrdiff_t>(index));
      else
        at = &at->items[index];
      continue;
    }
    if (at->find(parts[i]) == nullptr) {
      std::vector<std::string> names;
      for (const ConfigNode::Entry& e : at->entries) names.push_back(e.key);
      const std::string near = nearest_name(parts[i], names);
      throw config_error(
          rule.place,
          fmt::format("'{}' is to be deleted, but what is extended has no '{}'", rule.path,
                      parts[i]),
          near.empty() ? "a key of the extended files" : fmt::format("did you mean '{}'?", near),
          "correct the path or remove it");
    }
    if (last)
      at->remove(parts[i]);
    else
      at = at->find(parts[i]);
  }
}

class Merger {
 public:
  explicit Merger(const MergeRules& rules) : rules_(rules) {}

  // `paths` are the ways to write where this is: elements of lists by name and by index.
  ConfigNode merge(ConfigNode base, const ConfigNode& over, const std::vector<std::string>& paths) {
    if (over.is_mapping() && base.is_scalar()) base = long_form(base);
    if (over.is_mapping() && base.is_mapping()) {
      for (const ConfigNode::Entry& entry : over.entries) merge_entry(base, entry, paths);
      base.place = over.place;
      return base;
    }
    if (over.is_list()) {
      const Rule* const append = use(rules_.append, paths);
      const Rule* const patch = use(rules_.patch, paths);
      if (append != nullptr && patch != nullptr)
        throw config_error(patch->place,
                           fmt::format("'{}' is patched and appended to", patch->path),
                           "one of the two", "remove the other");
      if (append != nullptr) return appended(std::move(base), over, *append);
      if (patch != nullptr) return patched(std::move(base), over, *patch, paths);
    }
    return over;
  }

  void refuse_unused() const {
    for (const auto* rules : {&rules_.append, &rules_.patch})
      for (const Rule& rule : *rules)
        if (!used_.contains(&rule))
          throw config_error(
              rule.place,
              fmt::format("'{}' is to be {}, but this file has no such list over an extended one",
                          rule.path, rules == &rules_.append ? "appended to" : "patched"),
              "the path of a list in this file", "correct the path or remove it");
  }

 private:
  const Rule* use(const std::vector<Rule>& rules, const std::vector<std::string>& paths) {
    for (const Rule& rule : rules)
      if (std::find(paths.begin(), paths.end(), rule.path) != paths.end()) {
        used_.insert(&rule);
        return &rule;
      }
    return nullptr;
  }

  void merge_entry(ConfigNode& base, const ConfigNode::Entry& entry,
                   const std::vector<std::string>& paths) {
    std::vector<std::string> at;
    for (const std::string& path : paths) at.push_back(below(path, entry.key));
    ConfigNode* const there = base.find(entry.key);
    if (there == nullptr) {
      base.entries.push_back(entry);
      return;
    }
    *there = merge(std::move(*there), entry.value, at);
    const auto same = [&](const ConfigNode::Entry& e) { return e.key == entry.key; };
    std::find_if(base.entries.begin(), base.entries.end(), same)->place = entry.place;
  }

  static void require_list(const ConfigNode& base, const Rule& rule) {
    if (!base.is_list())
      throw config_error(rule.place,
                         fmt::format("'{}' is {} in what is extended", rule.path, shown(base)),
                         "a list", "remove the path");
  }

  static ConfigNode appended(ConfigNode base, const ConfigNode& over, const Rule& rule) {
    require_list(base, rule);
    base.items.insert(base.items.end(), over.items.begin(), over.items.end());
    base.place = over.place;
    return base;
  }

  ConfigNode patched(ConfigNode base, const ConfigNode& over, const Rule& rule,
                     const std::vector<std::string>& paths) {
    require_list(base, rule);
    for (const ConfigNode& item : over.items) {
      const ConfigNode* const name = item.is_mapping() ? item.find("name") : &item;
      if (name == nullptr || !name->is_scalar())
        throw config_error(item.place,
                           fmt::format("an element that patches '{}' has no name", rule.path),
                           "the name of an element of the extended list", "add 'name: ...'");
      const std::size_t index = element_of(base, name->text, name->place, rule.path);
      std::vector<std::string> at;
      for (const std::string& path : paths)
        for (const std::string& part : {name->text, std::to_string(index)})
          at.push_back(below(path, part));
      base.items[index] = merge(std::move(base.items[index]), item, at);
    }
    return base;
  }

  const MergeRules& rules_;
  std::set<const Rule*> used_;
};

}  // namespace

ConfigNode merged(ConfigNode base, const ConfigNode& over, const MergeRules& rules) {
  for (const Rule& rule : rules.remove) remove(base, rule);
  Merger merger(rules);
  ConfigNode result = merger.merge(std::move(base), over, {""});
  merger.refuse_unused();
  return result;
}

}  // namespace bitwright
