#pragma once
// The parts of a sweep: axes, what they take, and how cells are named after it.

#include <string>
#include <vector>

#include <bitwright/core/options.h>

#include "experiment/sweep.h"

namespace bitwright {

/// An axis with places; its values as the file gives them.
struct SweepAxis {
  std::string key, name;
  Place key_place;
  std::vector<ConfigNode> values;   ///< empty: drawn from low to high
  std::vector<std::string> labels;  ///< of the values, unique, fit for folders
  double low = 0, high = 0;
  bool log = false, whole = false;
};

/// Reads the axes of a validated sweep; `node` is where it stands in the file. Throws configuration
/// errors for all that the declared options cannot say.
std::vector<SweepAxis> sweep_axes(const Settings& sweep, const ConfigNode& node);

/// "0.1" from 0.1, "25" from "25 %", "adam-0.01" from {name: adam, learning_rate: 0.01}.
std::string folder_label(const ConfigNode& value);

/// All combinations, the last axis fastest.
std::vector<SweepCell> grid_cells(const std::vector<SweepAxis>& axes, const Place& where);
/// The first values of all axes, then the second ...
std::vector<SweepCell> zipped_cells(const std::vector<SweepAxis>& axes, const Settings& sweep);
/// `samples` different cells. Draw t of an axis depends on (seed, key, t) alone, so that more
/// samples only add cells, and another axis changes nothing about this one.
std::vector<SweepCell> random_cells(const std::vector<SweepAxis>& axes, const Settings& sweep);

}  // namespace bitwright
