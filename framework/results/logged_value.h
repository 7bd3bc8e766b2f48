#pragma once
// One number of a run file by name, for tables.

#include <cstddef>
#include <string>

#include <bitwright/results/run_file.h>

namespace bitwright::results {

/// The newest number of a column that is known; NaN where there is none.
double newest_known(const TableData& data, std::size_t column);

/// True for a name that logged_value() can look up; other names are results.
inline bool is_logged(const std::string& metric) { return metric.find('/') != std::string::npos; }

/// What a run logged under one of these names, without what stands in [] where there is no choice:
///   evaluation/NAME[LAYER]            the newest known value of a series of /metrics/evaluation
///   grids/STAGE/NAME[AXIS=VALUE, ...] a cell of a grid
/// NaN where nothing is known yet. Throws a storage error that names `file` and what there is when
/// the run has no such number.
double logged_value(const RunReader& run, const std::string& metric, const std::string& file);

}  // namespace bitwright::results
