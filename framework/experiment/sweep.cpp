#include "experiment/sweep.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "experiment/overrides.h"
#include "experiment/read_yaml.h"
#include "experiment/references.h"
#include "experiment/resolver.h"
#include "experiment/sweep_axes.h"
#include "experiment/sweep_options.h"

namespace bitwright {
namespace {

const std::string kCommandLine = "command line";

// The changes of a profile that decide which cells there are; the others come cell by cell.
void apply_sweep_changes(ConfigNode& tree, const std::string& profile) {
  const ConfigNode* const found = find_path(tree, "profiles." + profile + ".set");
  if (found == nullptr || !found->is_list()) return;
  const ConfigNode changes = *found;
  for (const ConfigNode& change : changes.items)
    if (change.is_scalar() && changes_sweep(change.text))
      apply_override(tree, change.text, change.place);
}

ConfigNode taken(ConfigNode& tree) {
  ConfigNode own = ConfigNode::mapping(tree.place);
  const Options options = sweep_options();
  for (const Option& option : options.list())
    if (const ConfigNode::Entry* const entry = tree.entry(option.name)) {
      own.entries.push_back(*entry);
      tree.remove(option.name);
    }
  return own;
}

// A change that the command line makes to a key that is swept would be lost.
void refuse_overridden(const ConfigNode& tree, const std::string& key, const Place& swept_at) {
  const ConfigNode* const there = find_path(tree, key);
  if (there == nullptr || there->place.file != kCommandLine) return;
  throw config_error(there->place, fmt::format("'{}' is swept", key),
                     fmt::format("a key that {} does not set", swept_at.str()),
                     "override the axis: sweep.axes.0.values=[...]");
}

// 'path' as in "a.b=3".
std::string path_of(const std::string& change) { return change.substr(0, change.find('=')); }

class SweepReader {
 public:
  SweepReader(const ConfigNode& tree, const ConfigNode& given, const ConfigNode& replaced,
              bool fragment)
      : tree_(tree), given_(given), replaced_(replaced), fragment_(fragment) {}

  std::vector<SweepCell> cells() {
    static const Registries none;
    const Settings own = Resolver(none, fragment_).mapping(replaced_, sweep_options());
    std::vector<SweepCell> cells{{}};
    if (fragment_) return cells;
    if (replaced_.find("sweep") != nullptr) cells = swept(own.section("sweep"));
    name(cells);
    return with_seeds(cells);
  }

 private:
  std::vector<SweepCell> swept(const Settings& sweep) {
    const std::string& kind = sweep.text("kind");
    refuse_other_kinds(sweep, kind);
    if (kind == "list") return listed(sweep);
    const auto& axes_given = sweep.sections("axes");
    if (axes_given.empty())
      throw config_error(sweep.place(), "the sweep has no axes",
                         "axes: [{key: ..., values: [...]}]", "add them, or remove the sweep");
    // Values are taken as the file has them: references in them are replaced cell by cell.
    const ConfigNode* const as_given = find_path(given_, "sweep.axes.0.values");
    const auto axes = sweep_axes(sweep, *(as_given == nullptr ? replaced_ : given_).find("sweep"));
    for (const SweepAxis& axis : axes) refuse_overridden(tree_, axis.key, axis.key_place);
    if (kind == "grid") return grid_cells(axes, sweep.where("axes"));
    if (kind == "zip") return zipped_cells(axes, sweep);
    if (!sweep.has("samples"))
      throw config_error(sweep.place(), "the sweep does not say how many cells are drawn",
                         "samples: a number", "add it");
    if (sweep.integer("samples") > static_cast<std::int64_t>(max_sweep_cells))
      throw config_error(sweep.where("samples"),
                         fmt::format("the sweep has more than {} cells", max_sweep_cells),
                         "fewer samples", "lower it");
    return random_cells(axes, sweep);
  }

  static void refuse_other_kinds(const Settings& sweep, const std::string& kind) {
    const auto refuse = [&](const char* key, bool wrong) {
      if (!wrong || !sweep.has(key) || sweep.where(key).file == "default") return;
      throw config_error(sweep.where(key),
                         fmt::format("'{}' is of no use to a sweep of kind {}", key, kind),
                         "what the kind needs", "change 'kind', or remove the key");
    };
    refuse("cells", kind != "list");
    refuse("axes", kind == "list");
    refuse("samples", kind != "random");
    refuse("seed", kind != "random");
  }

  std::vector<SweepCell> listed(const Settings& sweep) {
    std::vector<SweepCell> cells;
    std::set<std::string> names;
    for (const Settings& given : sweep.sections("cells")) {
      const std::string& name = given.text("name");
      check_folder_name(name, given.where("name"));
      if (!names.insert(name).second)
        throw config_error(given.where("name"), fmt::format("two cells are called '{}'", name),
                           "a name of its own for each", "rename one");
      SweepCell cell;
      cell.folder = name;
      const ConfigNode* const set =
          find_path(replaced_, fmt::format("sweep.cells.{}.set", cells.size()));
      if (set != nullptr)
        for (const ConfigNode& change : set->items) cell.choices.push_back(choice(change));
      cells.push_back(std::move(cell));
    }
    if (cells.empty())
      throw config_error(sweep.place(), "the sweep has no cells",
                         "cells: [{name: ..., set: [key=value]}]", "add them");
    return cells;
  }

  SweepChoice choice(const ConfigNode& change) const {
    ConfigNode scratch = ConfigNode::mapping(change.place);
    apply_override(scratch, change.text, change.place);  // refuses what is no override
    const std::string key = path_of(change.text);
    refuse_overridden(tree_, key, change.place);
    return {key, *find_path(scratch, key), change.place};
  }

  // Names of cells that chance, or long lists, made equal are told apart by their number.
  void name(std::vector<SweepCell>& cells) const {
    std::set<std::string> known;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      SweepCell& cell = cells[i];
      if (!known.insert(cell.folder).second) cell.folder += fmt::format(".{}", i + 1);
      if (cell.folder.starts_with("seed-"))
        throw config_error(replaced_.find("sweep")->place,
                           fmt::format("a cell would be called '{}'", cell.folder),
                           "a name that does not begin as those of seeds do", "rename it");
      cell.name = cell.folder;
    }
  }

  std::vector<SweepCell> with_seeds(const std::vector<SweepCell>& cells) const {
    const ConfigNode* const seeds = replaced_.find("seeds");
    if (seeds == nullptr || decided_on_command_line()) return cells;
    check(*seeds);
    if (cells.size() * seeds->items.size() > max_sweep_cells)
      throw config_error(seeds->place,
                         fmt::format("the sweep has more than {} cells", max_sweep_cells),
                         "fewer seeds", "remove some");
    std::vector<SweepCell> all;
    for (const SweepCell& cell : cells)
      for (const ConfigNode& seed : seeds->items) {
        all.push_back(cell);
        all.back().choices.push_back({"seed", seed, seed.place});
        all.back().name =
            fmt::format("{}{}seed-{}", cell.folder, cell.folder.empty() ? "" : "/", seed.text);
      }
    return all;
  }

  bool decided_on_command_line() const {
    const ConfigNode* const seed = tree_.find("seed");
    return seed != nullptr && seed->place.file == kCommandLine &&
           replaced_.find("seeds")->place.file != kCommandLine;
  }

  void check(const ConfigNode& seeds) const {
    if (seeds.items.empty())
      throw config_error(seeds.place, "'seeds' is empty", "at least one seed", "add one");
    std::set<std::string> known;
    for (const ConfigNode& seed : seeds.items)
      if (!known.insert(seed.text).second)
        throw config_error(seed.place, fmt::format("seed {} is repeated", seed.text),
                           "every seed once: the same run twice proves nothing", "remove it");
    const ConfigNode* const seed = tree_.find("seed");
    if (seed != nullptr && seed->place.file == seeds.place.file)
      throw config_error(seed->place, "'seed' is given, and 'seeds'", "one of the two",
                         "remove one");
  }

  const ConfigNode& tree_;      // of the file, without what is taken
  const ConfigNode& given_;     // what is taken
  const ConfigNode& replaced_;  // the same without references
  const bool fragment_;
};

}  // namespace

bool changes_sweep(const std::string& override) {
  const std::string key = override.substr(0, override.find_first_of("=."));
  return sweep_options().find(key) != nullptr;
}

Sweep take_sweep(ConfigFile file, const std::string& profile) {
  if (!profile.empty()) apply_sweep_changes(file.tree, profile);
  Sweep sweep;
  if (file.tree.find("sweep") == nullptr && file.tree.find("seeds") == nullptr) {
    sweep.file = std::move(file);
    sweep.cells.emplace_back();
    return sweep;
  }
  ConfigNode whole = file.tree;
  replace_references(whole, true);
  const ConfigNode replaced = taken(whole), given = taken(file.tree);
  sweep.cells = SweepReader(file.tree, given, replaced, file.fragment).cells();
  if (file.tree.find("threads") == nullptr && !file.fragment)
    write_value(file.tree, "threads", ConfigNode::scalar("1", Place{"sweep"}), Place{"sweep"});
  sweep.file = std::move(file);
  return sweep;
}

ConfigFile Sweep::file_of(const SweepCell& cell) const {
  ConfigFile one = file;
  for (const SweepChoice& choice : cell.choices)
    write_value(one.tree, choice.key, choice.value, choice.where);
  if (!cell.folder.empty())
    write_value(one.tree, "cell", ConfigNode::scalar(cell.folder, Place{"sweep"}), Place{"sweep"});
  return one;
}

}  // namespace bitwright
