#include "experiment/compose.h"

#include <charconv>
#include <filesystem>
#include <vector>

#include <fmt/format.h>

#include "experiment/merge.h"
#include "experiment/read_yaml.h"
#include "experiment/resolver.h"

namespace bitwright {
namespace {

namespace fs = std::filesystem;

constexpr int kMostFiles = 200;  // files that extend each other several times multiply

// A file that is being read, and who extends it.
struct Link {
  std::string file;
  const Link* by = nullptr;

  std::string chain() const { return by == nullptr ? file : by->chain() + " -> " + file; }
  bool holds(const std::string& other) const {
    std::error_code failed;
    return file == other || fs::equivalent(file, other, failed) ||
           (by != nullptr && by->holds(other));
  }
};

class Composer {
 public:
  Composed compose(ConfigNode tree, const Link& link) {
    const Settings own = take_composition(tree);
    Composed result;
    result.fragment = own.boolean("fragment");
    const auto& bases = own.texts("extends");
    const MergeRules rules = rules_of(own);
    if (bases.empty()) {
      refuse_rules(rules);
      result.tree = std::move(tree);
      return result;
    }
    ConfigNode base = ConfigNode::mapping(tree.place);
    for (std::size_t i = 0; i < bases.size(); ++i)
      base = merged(std::move(base), load(bases[i], element_place(own, "extends", i), link));
    result.tree = merged(std::move(base), tree, rules);
    return result;
  }

 private:
  // Takes the composition keys out of the tree. `extends` may be one name: [name] for short.
  Settings take_composition(ConfigNode& tree) {
    static const Options options = composition_options();
    static const Registries none;
    refuse_newer(tree);
    ConfigNode own = ConfigNode::mapping(tree.place);
    places_.clear();
    for (const Option& option : options.list()) {
      const ConfigNode::Entry* const entry = tree.entry(option.name);
      if (entry == nullptr) continue;
      own.entries.push_back(*entry);
      ConfigNode& value = own.entries.back().value;
      if (option.type == OptionType::text_list && value.is_scalar()) {
        ConfigNode list = ConfigNode::list(value.place);
        list.items.push_back(std::move(value));
        value = std::move(list);
      }
      for (const ConfigNode& item : value.items) places_[option.name].push_back(item.place);
      tree.remove(option.name);
    }
    return Resolver(none).mapping(own, options);
  }

  Place element_place(const Settings& own, const std::string& key, std::size_t i) const {
    const auto at = places_.find(key);
    return at == places_.end() ? own.where(key) : at->second.at(i);
  }

  static void refuse_newer(const ConfigNode& tree) {
    const ConfigNode* const version = tree.find("version");
    if (version == nullptr || !version->is_scalar() || version->quoted) return;
    int number = 0;
    const std::string& text = version->text;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number <= config_version)
      return;
    throw config_error(
        version->place,
        fmt::format("the file is written for version {} of experiment files", number),
        fmt::format("at most version {}, which this program reads", config_version),
        "use a newer bitwright");
  }

  MergeRules rules_of(const Settings& own) const {
    const auto rules = [&](const std::string& key) {
      std::vector<MergeRules::Rule> all;
      for (const std::string& path : own.texts(key))
        all.push_back({path, element_place(own, key, all.size())});
      return all;
    };
    return {rules("delete"), rules("append"), rules("patch")};
  }

  static void refuse_rules(const MergeRules& rules) {
    for (const auto& [list, key] :
         {std::pair{&rules.remove, "delete"}, {&rules.append, "append"}, {&rules.patch, "patch"}})
      if (!list->empty())
        throw config_error(
            list->front().place,
            fmt::format("'{}' changes what a file extends, but it extends nothing", key),
            "extends: FILE", fmt::format("add it, or remove '{}'", key));
  }

  ConfigNode load(const std::string& name, const Place& where, const Link& by) {
    const std::string file = (fs::path(by.file).parent_path() / name).lexically_normal().string();
    const Link link{file, &by};
    if (by.holds(file))
      throw config_error(where, "files extend each other in a circle: " + link.chain(),
                         "files that end somewhere", "remove one of the links");
    if (++files_ > kMostFiles)
      throw config_error(where, fmt::format("more than {} files are extended", kMostFiles),
                         "fewer files", "extend common ones once");
    if (!fs::is_regular_file(file))
      throw config_error(
          where,
          fmt::format("'{}' is no file{}", file, by.by == nullptr ? "" : " (" + link.chain() + ")"),
          "an experiment file; paths are relative to the file that names them", "correct the path");
    return compose(read_yaml(read_config_file(file, where), file), link).tree;
  }

  std::map<std::string, std::vector<Place>> places_;  // of the elements of the file being read
  int files_ = 0;
};

}  // namespace

Options composition_options() {
  return Options{}
      .texts("extends", {},
             "files that this one changes, relative to it; of several the later wins over the "
             "earlier; one may be written without brackets")
      .texts("delete", {}, "paths of what is extended that are removed from it first")
      .texts("append", {},
             "paths of lists whose elements come behind the extended ones, instead of replacing "
             "them")
      .texts("patch", {},
             "paths of lists whose elements change the extended ones of the same name, instead of "
             "replacing the list")
      .boolean("fragment", false, "the file is only extended by others, and need not be complete");
}

Composed compose(ConfigNode tree, const std::string& file) {
  return Composer().compose(std::move(tree), Link{file, nullptr});
}

}  // namespace bitwright
