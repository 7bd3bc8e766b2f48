#include "experiment/diff_runs.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiment/run_directory.h"

namespace bitwright {
namespace {

using Texts = std::map<std::string, std::string>;

std::vector<Difference> side_by_side(const Texts& a, const Texts& b, bool equal_ones_too) {
  std::set<std::string> names;
  for (const Texts* one : {&a, &b})
    for (const auto& [name, value] : *one) names.insert(name);
  std::vector<Difference> all;
  for (const std::string& name : names) {
    const auto of = [&](const Texts& texts) {
      const auto at = texts.find(name);
      return at == texts.end() ? std::string() : at->second;
    };
    Difference d{name, of(a), of(b)};
    if (equal_ones_too || d.first != d.second) all.push_back(std::move(d));
  }
  return all;
}

Texts numbers(const std::map<std::string, double>& values) {
  Texts texts;
  for (const auto& [name, value] : values)
    if (!std::isnan(value)) texts[name] = fmt::format("{}", value);
  return texts;
}

Texts last_values(const RunReader& run) {
  Texts texts;
  for (const Table& table : run.header().tables) {
    const TableData data = run.table(table.path);
    if (data.rows() == 0) continue;
    const double* value = &data.values[(data.rows() - 1) * table.row_width()];
    for (const Column& column : table.columns)
      for (std::size_t i = 0; i < column.width(); ++i, ++value) {
        if (column.bins > 0 || std::isnan(*value)) continue;  // counts in bins are for plots
        const std::string layer =
            column.layers.empty() ? "" : fmt::format("[{}]", column.layers[i]);
        texts[table.path + "/" + column.name + layer] = fmt::format("{}", *value);
      }
  }
  return texts;
}

std::optional<double> number_in(const std::string& text) {
  double value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

std::string section(const std::string& title, const std::vector<Difference>& list) {
  if (list.empty()) return title + ": no difference\n";
  std::size_t name = 4, first = 5, second = 6;
  for (const Difference& d : list) {
    name = std::max(name, d.name.size());
    first = std::max(first, std::min<std::size_t>(d.first.size(), 40));
    second = std::max(second, std::min<std::size_t>(d.second.size(), 40));
  }
  std::string text = title + "\n";
  for (const Difference& d : list) {
    std::string line =
        fmt::format("  {:<{}}  {:<{}}  {:<{}}", d.name, name, d.first.empty() ? "-" : d.first,
                    first, d.second.empty() ? "-" : d.second, second);
    const auto a = number_in(d.first), b = number_in(d.second);
    if (a && b) line += *a == *b ? "  equal" : fmt::format("  {:+.6g}", *b - *a);
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

}  // namespace

RunDifferences diff_runs(const RunReader& a, const RunReader& b) {
  const RunHeader first = a.header(), second = b.header();
  return {side_by_side(config_leaves(first.config), config_leaves(second.config), false),
          side_by_side(first.provenance, second.provenance, false),
          side_by_side(numbers(a.results()), numbers(b.results()), true),
          side_by_side(last_values(a), last_values(b), true)};
}

std::string differences_text(const RunDifferences& d, const std::string& first,
                             const std::string& second) {
  return fmt::format("first:  {}\nsecond: {}\n", first, second) +
         section("configuration", d.config) + section("provenance", d.provenance) +
         section("results (second - first)", d.results) +
         section("last values of series (second - first)", d.metrics);
}

std::string differences_json(const RunDifferences& d) {
  const auto list = [](const std::vector<Difference>& all) {
    auto json = nlohmann::ordered_json::array();
    for (const Difference& one : all) {
      const auto value = [](const std::string& text) -> nlohmann::ordered_json {
        if (text.empty()) return nullptr;
        if (const auto number = number_in(text)) return *number;
        return text;
      };
      json.push_back(
          {{"name", one.name}, {"first", value(one.first)}, {"second", value(one.second)}});
    }
    return json;
  };
  return nlohmann::ordered_json{{"config", list(d.config)},
                                {"provenance", list(d.provenance)},
                                {"results", list(d.results)},
                                {"metrics", list(d.metrics)}}
             .dump(2) +
         "\n";
}

}  // namespace bitwright
