#pragma once
// One file for many runs: its sweep and its seeds, cell by cell.

#include <optional>
#include <string>
#include <vector>

#include <bitwright/core/registry.h>

#include "experiment/config.h"

namespace bitwright {

/// Far beyond any sweep that ends.
inline constexpr std::size_t max_sweep_cells = 10'000;

/// What a cell sets, as on the command line: key and value. The value knows its place.
struct SweepChoice {
  std::string key;
  ConfigNode value;
  Place where;  ///< of the key
};

struct SweepCell {
  std::string folder;  ///< below the experiment's, of what is swept; empty: only seeds vary
  std::string name;    ///< the same with the seed, such as "width-2/seed-1"; empty: no sweep
  std::vector<SweepChoice> choices;
};

/// A file and the cells that it stands for: one, without a name, where there is no sweep.
struct Sweep {
  ConfigFile file;  ///< without what is used up here
  std::vector<SweepCell> cells;

  bool single() const { return cells.size() == 1 && cells.front().name.empty(); }
  /// The file of one cell. One thread, unless the file says otherwise. Throws a configuration error
  /// for a key that cannot be set.
  ConfigFile file_of(const SweepCell& cell) const;
};

/// Takes `sweep` and `seeds` out of a file. A seed from the command line stands in for `seeds`; of
/// a profile, unless its name is empty, those changes come first that are about sweeps. Throws
/// Problems.
Sweep take_sweep(ConfigFile file, const std::string& profile = "");

/// "sweep.kind=zip", "seeds=[1]": an override of what take_sweep() uses up.
bool changes_sweep(const std::string& override);

}  // namespace bitwright
