#include "results/logged_value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bitwright/core/error.h>

namespace bitwright::results {
namespace {

struct Name {
  std::string path, name, choice;  ///< "grids/grid", "accuracy", "weight_bits=3"
};

Name parts_of(const std::string& metric) {
  const auto open = std::min(metric.find('['), metric.size());
  const auto slash = metric.rfind('/', open);
  Name parts{metric.substr(0, slash), metric.substr(slash + 1, open - slash - 1), ""};
  if (open < metric.size()) parts.choice = metric.substr(open + 1, metric.size() - open - 2);
  return parts;
}

class Lookup {
 public:
  Lookup(const RunReader& run, const std::string& metric, const std::string& file)
      : run_(run), header_(run.header()), metric_(metric), file_(file), name_(parts_of(metric)) {
    if (metric.find('[') != std::string::npos && metric.back() != ']') fail("']' at its end", "");
  }

  double value() const { return name_.path.starts_with("grids/") ? grid_value() : series_value(); }

 private:
  [[noreturn]] void fail(const std::string& expected, const std::string& hint) const {
    throw storage_error(file_, fmt::format("the run has no '{}'", metric_), expected, hint);
  }
  [[noreturn]] void none_of(const std::vector<std::string>& there) const {
    fail(there.empty() ? std::string("nothing of that kind was logged")
                       : fmt::format("one of {}", fmt::join(there, ", ")),
         "");
  }

  double series_value() const {
    std::vector<std::string> paths, names;
    for (const Table& table : header_.tables) {
      if (!table.path.starts_with("/metrics/")) continue;
      paths.push_back(table.path.substr(std::string_view("/metrics/").size()));
      if (table.path != "/metrics/" + name_.path) continue;
      std::size_t at = 0;
      for (const Column& column : table.columns) {
        names.push_back(column.name);
        if (column.name == name_.name)
          return newest_known(run_.table(table.path), at + layer_of(column));
        at += column.width();
      }
    }
    none_of(names.empty() ? paths : names);
  }

  std::size_t layer_of(const Column& column) const {
    if (column.layers.empty() && name_.choice.empty()) return 0;
    const auto at = std::ranges::find(column.layers, name_.choice);
    if (at == column.layers.end()) none_of(column.layers);
    return static_cast<std::size_t>(at - column.layers.begin());
  }

  double grid_value() const {
    std::vector<std::string> paths, names;
    for (const ResultGrid& grid : header_.grids) {
      paths.push_back(grid.path.substr(1));
      if (grid.path != "/" + name_.path) continue;
      for (std::size_t i = 0; i < grid.values.size(); ++i) {
        names.push_back(grid.values[i].name);
        if (names.back() == name_.name) return run_.grid(grid.path).values[i][cell_of(grid)];
      }
    }
    none_of(names.empty() ? paths : names);
  }

  std::size_t cell_of(const ResultGrid& grid) const {
    std::map<std::string, std::string> chosen = choices();
    std::size_t cell = 0;
    for (const GridAxis& axis : grid.axes) {
      cell = cell * axis.size() + place_on(axis, chosen);
      chosen.erase(axis.name);
    }
    if (chosen.empty()) return cell;
    std::vector<std::string> axes;
    for (const GridAxis& axis : grid.axes) axes.push_back(axis.name);
    none_of(axes);
  }

  std::map<std::string, std::string> choices() const {
    std::map<std::string, std::string> all;
    for (std::size_t from = 0; from < name_.choice.size();) {
      const auto end = std::min(name_.choice.find(',', from), name_.choice.size());
      const std::string one = name_.choice.substr(from, end - from);
      const auto begin = std::min(one.find_first_not_of(' '), one.size());
      const auto equal = one.find('=');
      if (equal == std::string::npos) fail("AXIS=VALUE between the brackets", "");
      all[one.substr(begin, equal - begin)] = one.substr(equal + 1);
      from = end + 1;
    }
    return all;
  }

  std::size_t place_on(const GridAxis& axis,
                       const std::map<std::string, std::string>& chosen) const {
    std::vector<std::string> there = axis.texts;
    for (const double number : axis.numbers) there.push_back(fmt::format("{}", number));
    const auto choice = chosen.find(axis.name);
    if (choice == chosen.end() && axis.size() == 1) return 0;
    for (std::size_t i = 0; choice != chosen.end() && i < there.size(); ++i)
      if (there[i] == choice->second || same_number(there[i], choice->second)) return i;
    for (std::string& value : there) value = fmt::format("{}={}", axis.name, value);
    none_of(there);
  }

  static bool same_number(const std::string& a, const std::string& b) {
    double x = NAN, y = NAN;
    std::from_chars(a.data(), a.data() + a.size(), x);
    const auto end = std::from_chars(b.data(), b.data() + b.size(), y).ptr;
    return x == y && end == b.data() + b.size();
  }

  const RunReader& run_;
  const RunHeader header_;
  const std::string& metric_;
  const std::string& file_;
  const Name name_;
};

}  // namespace

double newest_known(const TableData& data, std::size_t column) {
  const std::size_t width = data.table.row_width();
  for (std::size_t row = data.rows(); row-- > 0;)
    if (const double value = data.values[row * width + column]; !std::isnan(value)) return value;
  return NAN;
}

double logged_value(const RunReader& run, const std::string& metric, const std::string& file) {
  return Lookup(run, metric, file).value();
}

}  // namespace bitwright::results
