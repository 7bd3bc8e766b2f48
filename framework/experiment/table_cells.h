#pragma once
// A table file: which runs its cells stand for, where they lie, and what they say.

#include <set>
#include <string>
#include <vector>

#include <bitwright/core/registry.h>

#include "experiment/run_record.h"
#include "results/paper_table.h"

namespace bitwright {

/// One run that a cell needs.
struct TableRun {
  std::size_t cell = 0;
  std::size_t settings = 0;  ///< the cell that says what is run; itself, or that of its 'of'
  std::int64_t seed = 0;
  std::string file;              ///< experiment
  std::vector<std::string> set;  ///< what the cell, then the command line changes
  std::string out;               ///< as for `run --out`
  std::string directory;
  std::set<std::string> logged;  ///< metrics of all cells that show this run, results aside
  std::string config_text;       ///< resolved, as YAML
  std::map<std::string, std::string> config;

  /// Everything after FILE on the command line of `run`, the seed aside.
  std::vector<std::string> words() const;
  std::string command() const;  ///< what a user types for it, the seed as N
};

struct LoadedTable {
  Settings settings;
  std::string folder;   ///< of the file; sources below it are named relative to it
  std::string records;  ///< folder; empty: none
  std::vector<TableRun> runs;
};

/// Reads a table and resolves the experiments of all cells. `out` is where runs lie, as for `run
/// --out`; a cell that changes its experiment has a folder of its own there. `overrides` change all
/// experiments, as on the command line of `run`. Throws Problems.
LoadedTable load_table(const Registries& registries, const std::string& file,
                       const std::vector<std::string>& overrides, const std::string& out);

/// Runs that are not there yet, each directory once: what `run --resume` has to do. One that is
/// there with other settings is among them.
std::vector<TableRun> missing_runs(const LoadedTable& table);

/// Where a cell's numbers may come from: run directories first, then records, or records alone.
enum class Sources { runs_and_records, records };

/// Collects what finished runs and records say.
results::PaperTable fill_table(const LoadedTable& table, Sources sources);

/// Writes a record of every finished run that the table uses; returns their paths. Throws a
/// configuration error when the table names no folder for them.
std::vector<std::string> keep_records(const LoadedTable& table, const std::string& file);

}  // namespace bitwright
