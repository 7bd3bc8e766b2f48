#include "experiment/check_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <bitwright/core/error.h>

#include "experiment/config.h"
#include "experiment/run_plan.h"
#include "results/logged_value.h"

namespace bitwright {

std::optional<double> paper_value(const Settings& cell) {
  const std::string& text = cell.text("value");
  if (text == "not printed" || text == "unverified") return {};
  double value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    throw config_error(cell.where("value"), fmt::format("'{}' is not a value of a paper", text),
                       "a number, 'not printed' or 'unverified'");
  return value;
}

static const Settings& cell_called(const Settings& table, const std::string& name) {
  return *std::ranges::find(table.sections("cells"), name,
                            [](const Settings& cell) { return cell.text("name"); });
}

const std::string& shown_as(const Settings& cell, const Settings& table) {
  return (cell.has("show") ? cell : table).text("show");
}

// A cell has runs of its own, or shows another metric of those of a cell above.
static void check_runs(const Settings& cell, const std::set<std::string>& above) {
  if (!cell.has("of")) {
    if (!cell.has("experiment"))
      throw config_error(
          cell.where("name"), fmt::format("cell '{}' has no runs", cell.text("name")),
          "an experiment file (experiment: FILE)", "or show those of a cell above (of: NAME)");
    return;
  }
  const std::string& of = cell.text("of");
  if (of == cell.text("name") || !above.contains(of))
    throw config_error(cell.where("of"), fmt::format("no cell '{}' above this one", of),
                       fmt::format("one of {}", fmt::join(above, ", ")));
  if (cell.has("experiment") || !cell.texts("set").empty() || !cell.integers("seeds").empty())
    throw config_error(cell.where("of"),
                       fmt::format("cell '{}' shows the runs of '{}' and names runs of its own",
                                   cell.text("name"), of),
                       "'of', or experiment, set and seeds", "remove one of the two");
}

static void check_seeds(const Settings& cell) {
  std::set<std::int64_t> seeds;
  for (const std::int64_t seed : cell.integers("seeds"))
    if (!seeds.insert(seed).second)
      throw config_error(cell.where("seeds"), fmt::format("seed {} is repeated", seed),
                         "every seed once: the same run twice proves nothing", "remove it");
}

static void check_metric(const Settings& cell) {
  std::set<std::string> metrics;
  for (const ResultSlot& slot : RunPlan::results()) metrics.insert(slot.name);
  const std::string& metric = cell.text("metric");
  if (results::is_logged(metric) || metrics.contains(metric)) return;
  const std::string near = nearest_name(metric, {metrics.begin(), metrics.end()});
  throw config_error(cell.where("metric"), fmt::format("no run has a result '{}'", metric),
                     near.empty() ? fmt::format("one of {}", fmt::join(metrics, ", "))
                                  : fmt::format("did you mean '{}'?", near));
}

static void check_comparison(const Settings& pair, const Settings& table,
                             const std::set<std::string>& names) {
  for (const char* which : {"first", "second"})
    if (!names.contains(pair.text(which)))
      throw config_error(pair.where(which), fmt::format("no cell '{}'", pair.text(which)),
                         fmt::format("one of {}", fmt::join(names, ", ")));
  const Settings &first = cell_called(table, pair.text("first")),
                 &second = cell_called(table, pair.text("second"));
  if (shown_as(first, table) != shown_as(second, table))
    throw config_error(pair.where("first"),
                       fmt::format("{} and {} are shown in different units", first.text("name"),
                                   second.text("name")),
                       "two cells with the same 'show'");
}

void check_table(const Settings& table) {
  std::set<std::string> names;
  std::set<std::pair<std::string, std::string>> places;
  for (const Settings& cell : table.sections("cells")) {
    const std::string& name = cell.text("name");
    if (!names.insert(name).second)
      throw config_error(cell.where("name"), fmt::format("two cells are called '{}'", name),
                         "a name of its own for each", "rename one");
    if (!cell.texts("set").empty()) check_folder_name(name, cell.where("name"));
    if (!places.insert({cell.text("row"), cell.text("column")}).second)
      throw config_error(cell.where("row"),
                         fmt::format("two cells stand in row '{}', column '{}'", cell.text("row"),
                                     cell.text("column")),
                         "a place of its own for each");
    check_runs(cell, names);
    check_seeds(cell);
    check_metric(cell);
    paper_value(cell);
  }
  for (const Settings& pair : table.sections("compare")) check_comparison(pair, table, names);
}

}  // namespace bitwright
