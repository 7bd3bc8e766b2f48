#pragma once

#include <optional>
#include <string>

#include <bitwright/core/options.h>

namespace bitwright {

/// What the declared options of a table file cannot say: cells have names and places of their own,
/// name their runs in one way and no seed twice, and ask for results and values that there are;
/// comparisons are of two cells in one unit. Throws a configuration error.
void check_table(const Settings& table);

/// The paper's value of a cell; none where it is not printed or not verified. Throws a
/// configuration error for what is no number.
std::optional<double> paper_value(const Settings& cell);

/// How the numbers of a cell are shown: its own `show`, or the table's.
const std::string& shown_as(const Settings& cell, const Settings& table);

}  // namespace bitwright
