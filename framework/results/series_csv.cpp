#include "results/series_csv.h"

#include <cmath>

#include <fmt/format.h>

#include <bitwright/core/error.h>

#include "results/csv.h"

namespace bitwright::results {

static std::string number(double value, bool integer) {
  if (std::isnan(value)) return {};
  return integer ? fmt::format("{:.0f}", value) : fmt::format("{}", value);
}

std::string table_as_csv(const RunReader& reader, const std::string& name) {
  const RunHeader header = reader.header();
  const Table* chosen = nullptr;
  std::vector<std::string> paths;
  for (const Table& table : header.tables) {
    paths.push_back(table.path);
    if (table.path == name || table.path == "/metrics/" + name || table.path == "/" + name)
      chosen = &table;
  }
  if (!chosen)
    throw config_error(Place{"command line"}, fmt::format("the run has no table '{}'", name),
                       fmt::format("one of {}", fmt::join(paths, ", ")));
  std::vector<std::string> line;
  for (const Column& column : chosen->columns) {
    if (column.layers.empty()) line.push_back(column.name);
    for (std::size_t i = 0; !column.layers.empty() && i < column.width(); ++i)
      line.push_back(fmt::format("{}[{}]", column.name, column.place(i)));
  }
  std::string text = csv_line(line);
  const TableData data = reader.table(chosen->path);
  const double* value = data.values.data();
  for (std::size_t row = 0; row < data.rows(); ++row) {
    line.clear();
    for (const Column& column : chosen->columns)
      for (std::size_t i = 0; i < column.width(); ++i)
        line.push_back(number(*value++, column.integer));
    text += csv_line(line);
  }
  return text;
}

// One line a number; `step` is the row's, empty where the table has none.
static std::string row_as_lines(const Table& table, std::size_t row, const double* value) {
  std::string step, text;
  const double* at = value;
  for (const Column& column : table.columns) {
    if (column.name == "step") step = number(*at, true);
    at += column.width();
  }
  for (const Column& column : table.columns)
    for (std::size_t i = 0; i < column.width(); ++i, ++value)
      if (column.name != "step" && !std::isnan(*value))
        text += csv_line({table.path, std::to_string(row), step, column.name, column.place(i),
                          column.unit, number(*value, column.integer)});
  return text;
}

std::string series_as_csv(const RunReader& reader) {
  std::string text = csv_line({"table", "row", "step", "metric", "layer", "unit", "value"});
  for (const Table& table : reader.header().tables) {
    const TableData data = reader.table(table.path);
    for (std::size_t row = 0; row < data.rows(); ++row)
      text += row_as_lines(table, row, &data.values[row * table.row_width()]);
  }
  return text;
}

}  // namespace bitwright::results
