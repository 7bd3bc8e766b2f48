#pragma once
// Measurements as people and programs read them.

#include <string>
#include <vector>

#include "bench/comparison.h"

namespace bitwright::bench {

/// The machine and the software: two or three lines. `pytorch` is its version, empty: not compared.
std::string machine_text(int threads, const std::string& pytorch);

/// A line above the rows of the table, and one row of it.
std::string table_head(bool compared);
std::string table_row(const Row& row);

/// An array of objects, one per row; framework/bench/README.md describes them.
std::string rows_as_json(const std::vector<Row>& rows);
/// What rows_as_json() says about the only row's measurement.
Measurement measurement_from_json(const std::string& json);

}  // namespace bitwright::bench
