#include "experiment/load_experiment.h"

#include <algorithm>

#include <fmt/format.h>

#include "experiment/problems.h"
#include "experiment/profiles.h"
#include "experiment/runner.h"
#include "experiment/schema.h"

namespace bitwright {

static void refuse(const std::vector<Finding>& findings) {
  std::vector<Error> errors;
  for (const Finding& f : findings)
    if (f.lint->error)
      errors.push_back(config_error(f.place, f.what, f.lint->reason,
                                    fmt::format("if it is meant, allow: [{}]", f.lint->name)));
  if (!errors.empty()) throw Problems(std::move(errors));
}

static void refuse_fragment(const ConfigFile& file) {
  if (file.fragment)
    throw config_error(Place{file.name}, "the file is a fragment, which only others extend",
                       "an experiment", "name a file that extends it, or remove 'fragment: true'");
}

static LoadedExperiment load_cell(const Registries& registries, ConfigFile file,
                                  const std::string& profile) {
  if (!profile.empty()) apply_profile(file, profile, registries);
  LoadedExperiment loaded;
  loaded.config = resolve_config(std::move(file), experiment_options(), registries);
  check_experiment(loaded.config);
  loaded.network = dry_build(registries, loaded.config);
  loaded.warnings = lint(registries, loaded.config, *loaded.network);
  refuse(loaded.warnings);
  return loaded;
}

namespace {

// What is wrong with cells, each thing once.
class CellProblems {
 public:
  void add(const Error& error, const SweepCell& cell) {
    const auto same = [&](const Entry& e) { return e.error.what() == std::string(error.what()); };
    const auto at = std::find_if(all_.begin(), all_.end(), same);
    if (at == all_.end())
      all_.push_back({error, cell.name, 1});
    else
      ++at->cells;
  }

  void refuse(std::size_t cells) const {
    if (all_.empty()) return;
    std::vector<Error> errors;
    for (const Entry& entry : all_)
      errors.push_back(entry.cells == cells ? entry.error : in(entry));
    throw Problems(std::move(errors));
  }

 private:
  struct Entry {
    Error error;
    std::string cell;
    std::size_t cells;
  };

  static Error in(const Entry& entry) {
    const std::string line = entry.error.what(), mark = ": error: ";
    const std::string others = entry.cells == 1 ? "" : fmt::format(" and {} more", entry.cells - 1);
    return {entry.error.status(), entry.error.place(), line.substr(line.find(mark) + mark.size()),
            fmt::format("in cell {}{}", entry.cell, others)};
  }

  std::vector<Entry> all_;
};

}  // namespace

void load_cells(const Registries& registries, ConfigFile file, const std::string& profile,
                const std::function<void(const SweepCell&, LoadedExperiment)>& use) {
  refuse_fragment(file);
  const Sweep sweep = take_sweep(std::move(file), profile);
  CellProblems problems;
  for (const SweepCell& cell : sweep.cells) {
    try {
      use(cell, load_cell(registries, sweep.file_of(cell), profile));
    } catch (const Problems& several) {
      for (const Error& error : several.all()) problems.add(error, cell);
    } catch (const Error& error) {
      problems.add(error, cell);
    }
  }
  problems.refuse(sweep.cells.size());
}

LoadedExperiment load_experiment(const Registries& registries, ConfigFile file,
                                 const std::string& profile) {
  refuse_fragment(file);
  const Sweep sweep = take_sweep(std::move(file), profile);
  if (!sweep.single())
    throw config_error(Place{sweep.file.name},
                       fmt::format("the file stands for {} runs", sweep.cells.size()), "one run",
                       "choose one seed, and a file without a sweep");
  return load_cell(registries, sweep.file_of(sweep.cells.front()), profile);
}

}  // namespace bitwright
