#pragma once
// Series of a run file as CSV.

#include <string>

#include <bitwright/results/run_file.h>

namespace bitwright::results {

/// One table, one line a row, series with layers as NAME[LAYER]. `table` is a path, or what follows
/// "/metrics/". Throws a configuration error with the run's tables for one that it has not.
std::string table_as_csv(const RunReader& reader, const std::string& table);

/// All tables, one line a number: table, row, step, metric, layer, unit, value. Numbers that are
/// not known are left out.
std::string series_as_csv(const RunReader& reader);

}  // namespace bitwright::results
