#pragma once
// Grids of results, for people and for programs.

#include <string>

#include <nlohmann/json.hpp>

#include <bitwright/results/run_file.h>

namespace bitwright::results {

/// A table for each array of the grid. Columns go along its longest axis; a row has a word for each
/// other axis with more than one value; the rest is said above.
std::string grid_as_text(const GridData& data);

/// axes: their values by name, in order; values: nested lists by name. NaN is null.
nlohmann::ordered_json grid_as_json(const GridData& data);

}  // namespace bitwright::results
