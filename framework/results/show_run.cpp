#include "results/show_run.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "results/logged_value.h"
#include "results/show_grid.h"

namespace bitwright::results {

namespace {

/// The numbers of a table's last row that belong to one column; counts in bins are for plots.
struct LastValue {
  const Column& column;
  std::span<const double> values;
};

std::vector<LastValue> last_row(const TableData& data) {
  std::vector<LastValue> last;
  if (data.rows() == 0) return last;
  const double* at = &data.values[(data.rows() - 1) * data.table.row_width()];
  for (const Column& column : data.table.columns) {
    if (column.bins == 0) last.push_back({column, {at, column.width()}});
    at += column.width();
  }
  return last;
}

/// "0.9712", "-" when it is not known; a unit of "1" is not worth a word.
std::string number(double value, const std::string& unit = "1", bool integer = false) {
  if (std::isnan(value)) return "-";
  std::string text = integer ? fmt::format("{:.0f}", value) : fmt::format("{:.6g}", value);
  if (!unit.empty() && unit != "1") text += " " + unit;
  return text;
}

std::string value_text(const LastValue& last) {
  const Column& column = last.column;
  if (column.layers.empty()) return number(last.values[0], column.unit, column.integer);
  std::string text;
  for (std::size_t i = 0; i < column.layers.size(); ++i)
    text += fmt::format("{}{} {}", i ? ", " : "", column.layers[i],
                        number(last.values[i], column.unit, column.integer));
  return text;
}

std::string status_name(int status) { return name_of(static_cast<RunStatus>(status)); }

/// Lines "  name  value" with the values under each other.
class Section {
 public:
  explicit Section(std::string title) : title_(std::move(title)) {}
  void add(std::string name, std::string value) {
    width_ = std::max(width_, name.size());
    lines_.emplace_back(std::move(name), std::move(value));
  }
  std::string str() const {
    if (lines_.empty()) return "";
    std::string text = title_ + "\n";
    for (const auto& [name, value] : lines_)
      text += fmt::format("  {:<{}}  {}\n", name, width_, value);
    return text;
  }

 private:
  std::string title_;
  std::size_t width_ = 0;
  std::vector<std::pair<std::string, std::string>> lines_;
};

std::string metrics_text(const RunReader& reader, const RunHeader& header) {
  std::string text;
  for (const Table& table : header.tables) {
    const TableData data = reader.table(table.path);
    if (data.rows() == 0) {
      text += table.path + ": no rows yet\n";
      continue;
    }
    Section section(fmt::format("{}: {} rows, the last one", table.path, data.rows()));
    for (const LastValue& last : last_row(data)) section.add(last.column.name, value_text(last));
    text += section.str();
  }
  return text;
}

// The newest number that is known of each layer; NaN where there is none. The layers of one series
// may come from several stages.
std::vector<double> last_known(const TableData& data, std::size_t first, std::size_t count) {
  std::vector<double> last;
  for (std::size_t i = 0; i < count; ++i) last.push_back(newest_known(data, first + i));
  return last;
}

/// A bar of '#', a half one ':', for each layer of the per-layer series `bits`, whichever method
/// logs it: which layers are coarse is then seen at a glance.
std::string bit_map_text(const RunReader& reader, const RunHeader& header) {
  constexpr double longest = 32;
  std::string text;
  for (const Table& table : header.tables) {
    std::size_t first = 0;
    for (const Column& column : table.columns) {
      const std::size_t at = first;
      first += column.width();
      if (column.name != "bits" || column.layers.empty()) continue;
      Section section("bits per layer");
      const auto bits = last_known(reader.table(table.path), at, column.width());
      for (std::size_t i = 0; i < bits.size(); ++i) {
        if (std::isnan(bits[i])) continue;
        const double shown = std::clamp(bits[i], 0.0, longest);
        std::string bar(static_cast<std::size_t>(shown), '#');
        if (shown - std::floor(shown) >= 0.5) bar += ':';
        section.add(column.layers[i],
                    fmt::format("{:>6.4g}{}{}", bits[i], bar.empty() ? "" : "  ", bar));
      }
      text += section.str();
    }
  }
  return text;
}

std::string scalars_text(const std::string& title, const std::vector<ResultSlot>& slots,
                         const std::map<std::string, double>& values) {
  Section section(title);
  for (const ResultSlot& slot : slots)
    if (const auto at = values.find(slot.name); at != values.end())
      section.add(slot.name, number(at->second, slot.unit));
  return section.str();
}

nlohmann::ordered_json json_number(double value, bool integer) {
  if (integer) return static_cast<std::int64_t>(value);
  return value;  // NaN is printed as null
}

nlohmann::ordered_json table_json(const TableData& data) {
  nlohmann::ordered_json units = nlohmann::ordered_json::object(), last = units;
  for (const Column& column : data.table.columns) units[column.name] = column.unit;
  for (const LastValue& value : last_row(data)) {
    const Column& column = value.column;
    if (column.layers.empty()) {
      last[column.name] = json_number(value.values[0], column.integer);
      continue;
    }
    for (std::size_t i = 0; i < column.layers.size(); ++i)
      last[column.name][column.layers[i]] = json_number(value.values[i], column.integer);
  }
  return {{"scale", data.table.scale}, {"rows", data.rows()}, {"units", units}, {"last", last}};
}

}  // namespace

std::string run_as_text(const std::string& path, const RunReader& reader) {
  const RunHeader header = reader.header();
  std::string text = fmt::format("{}, seed {}, {}\n{}, format {}\n", header.experiment, header.seed,
                                 status_name(reader.status()), path, reader.format_version());
  text += "configuration\n";
  std::istringstream config(header.config);
  for (std::string line; std::getline(config, line);) text += "  " + line + "\n";
  Section provenance("provenance"), events("events");
  for (const auto& [name, value] : header.provenance) provenance.add(name, value);
  for (const Event& event : reader.events())
    events.add(fmt::format("step {}", event.step), event.kind + ": " + event.message);
  text += provenance.str() + events.str() + metrics_text(reader, header);
  text += bit_map_text(reader, header);
  for (const ResultGrid& grid : header.grids) text += grid_as_text(reader.grid(grid.path));
  text += scalars_text("wall clock", header.wallclock, reader.wallclock());
  return text + scalars_text("results", header.results, reader.results());
}

std::string run_as_json(const std::string& path, const RunReader& reader) {
  const RunHeader header = reader.header();
  nlohmann::ordered_json run = {{"file", path},
                                {"format_version", reader.format_version()},
                                {"experiment", header.experiment},
                                {"seed", header.seed},
                                {"status", status_name(reader.status())},
                                {"config", header.config},
                                {"provenance", header.provenance},
                                {"metrics", nlohmann::ordered_json::object()},
                                {"results", reader.results()},
                                {"wallclock", reader.wallclock()},
                                {"grids", nlohmann::ordered_json::object()},
                                {"events", nlohmann::ordered_json::array()}};
  for (const Table& table : header.tables)
    run["metrics"][table.path] = table_json(reader.table(table.path));
  for (const ResultGrid& grid : header.grids)
    run["grids"][grid.path] = grid_as_json(reader.grid(grid.path));
  for (const Event& event : reader.events())
    run["events"].push_back(
        {{"step", event.step}, {"kind", event.kind}, {"message", event.message}});
  return run.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace bitwright::results
