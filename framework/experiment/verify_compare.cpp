// Metrics and provenance of a run beside those of its re-run.
#include <algorithm>
#include <bit>
#include <limits>
#include <set>

#include <fmt/format.h>

#include "experiment/verify.h"

namespace bitwright {
namespace {

bool same_bits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

// The rows of some steps, each number under its name.
class Series {
 public:
  Series(const TableData& data, std::int64_t from, std::int64_t to) {
    const std::size_t width = data.table.row_width();
    std::size_t at = 0;
    for (const Column& column : data.table.columns) {
      if (column.name == "step") step_ = at;
      if (column.layers.empty()) names_.push_back(column.name);
      for (const std::string& layer : column.layers)
        names_.push_back(fmt::format("{}[{}]", column.name, layer));
      at += column.width();
    }
    for (std::size_t row = 0; step_ && row < data.rows(); ++row) {
      const double* const numbers = &data.values[row * width];
      const auto step = static_cast<std::int64_t>(numbers[*step_]);
      if (step > from && step <= to) rows_.emplace_back(numbers, numbers + width);
    }
  }

  std::size_t rows() const { return rows_.size(); }
  const std::vector<std::string>& names() const { return names_; }
  std::int64_t step(std::size_t row) const {
    return static_cast<std::int64_t>(rows_[row][step_.value()]);
  }
  /// NaN where there is no such row or name.
  double number(std::size_t row, const std::string& name) const {
    const auto at = static_cast<std::size_t>(std::ranges::find(names_, name) - names_.begin());
    if (row >= rows() || at == names_.size()) return std::numeric_limits<double>::quiet_NaN();
    return rows_[row][at];
  }

 private:
  std::optional<std::size_t> step_;
  std::vector<std::string> names_;
  std::vector<std::vector<double>> rows_;
};

bool has_table(const RunReader& reader, const std::string& path) {
  const auto tables = reader.header().tables;
  return std::ranges::find(tables, path, &Table::path) != tables.end();
}

void compare_series(const std::string& path, const Series& recorded, const Series& here,
                    Verification& result) {
  const std::size_t rows = std::max(recorded.rows(), here.rows());
  for (const std::string& name : recorded.names()) {
    result.numbers += recorded.rows();
    for (std::size_t row = 0; row < rows; ++row) {
      const double a = recorded.number(row, name), b = here.number(row, name);
      const bool both = row < recorded.rows() && row < here.rows();
      if (both && same_bits(a, b)) continue;
      const std::int64_t step = row < recorded.rows() ? recorded.step(row) : here.step(row);
      result.metrics.push_back({path + "/" + name, step, a, b});
      break;
    }
  }
}

std::string group_of(const std::string& fact) {
  static const std::map<std::string, std::string> groups{
      {"version", "binary"},    {"git", "binary"},      {"build", "binary"},
      {"binary", "binary"},     {"compiler", "binary"}, {"onednn", "libraries"},
      {"tbb", "libraries"},     {"hdf5", "libraries"},  {"yaml-cpp", "libraries"},
      {"fmt", "libraries"},     {"cpu", "CPU"},         {"instruction_set", "CPU"},
      {"algorithms", "binary"}, {"threads", "threads"}, {"system", "system"},
      {"init.from", "data"},
  };
  if (fact.starts_with("data.")) return "data";
  const auto at = groups.find(fact);
  return at == groups.end() ? "" : at->second;
}

std::string value_of(const std::map<std::string, std::string>& facts, const std::string& fact) {
  const auto at = facts.find(fact);
  return at == facts.end() ? "" : at->second;
}

}  // namespace

void compare_metrics(const RunReader& recorded, const RunReader& here, Verification& result) {
  for (const Table& table : recorded.header().tables) {
    if (!table.path.starts_with("/metrics/")) continue;  // /progress is of the clock
    const Series before(recorded.table(table.path), result.from, result.to);
    const TableData now =
        has_table(here, table.path) ? here.table(table.path) : TableData{table, {}};
    compare_series(table.path, before, Series(now, result.from, result.to), result);
  }
  std::ranges::stable_sort(result.metrics, {}, &MetricDifference::step);
}

std::vector<FactDifference> compare_facts(const std::map<std::string, std::string>& recorded,
                                          const std::map<std::string, std::string>& here) {
  std::set<std::string> names;
  for (const auto* facts : {&recorded, &here})
    for (const auto& [name, value] : *facts) names.insert(name);
  std::vector<FactDifference> all;
  for (const std::string& name : names) {
    const std::string before = value_of(recorded, name), now = value_of(here, name);
    if (const std::string group = group_of(name); !group.empty() && before != now)
      all.push_back({group, name, before, now});
  }
  return all;
}

}  // namespace bitwright
