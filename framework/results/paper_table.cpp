#include "results/paper_table.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace bitwright::results {

std::vector<double> TableCell::values() const {
  std::vector<double> all;
  for (const CellRun& run : runs) all.push_back(run.value);
  return all;
}

std::optional<double> TableCell::delta() const {
  if (!paper || runs.empty()) return {};
  return summarize(values()).mean - *paper;
}

std::string TableCell::verdict() const {
  if (!paper) return "no target";
  if (runs.empty()) return "no runs";
  if (!tolerance) return "no tolerance";
  const double d = *delta();
  // A difference that is the tolerance but for rounding lies within it.
  if (std::abs(d) <= *tolerance * (1 + 1e-9)) return "within";
  return d > 0 ? "above" : "below";
}

static std::vector<std::string> each_once(const std::vector<TableCell>& cells,
                                          std::string TableCell::*text) {
  std::vector<std::string> all;
  for (const TableCell& cell : cells)
    if (std::ranges::find(all, cell.*text) == all.end()) all.push_back(cell.*text);
  return all;
}

std::vector<std::string> PaperTable::rows() const { return each_once(cells, &TableCell::row); }
std::vector<std::string> PaperTable::columns() const {
  return each_once(cells, &TableCell::column);
}

const TableCell* PaperTable::at(const std::string& row, const std::string& column) const {
  const auto cell = std::ranges::find_if(
      cells, [&](const TableCell& c) { return c.row == row && c.column == column; });
  return cell == cells.end() ? nullptr : &*cell;
}

std::optional<std::string> PaperTable::common_unit() const {
  for (const TableCell& cell : cells)
    if (cell.unit != cells.front().unit) return {};
  return cells.empty() ? std::string() : cells.front().unit;
}

Comparison compare(const TableCell& first, const TableCell& second) {
  Comparison c{first.name, second.name, first.digits, {}, {}};
  std::vector<double> a, b;
  for (const CellRun& run : first.runs) {
    const auto other = std::ranges::find_if(
        second.runs, [&](const CellRun& candidate) { return candidate.seed == run.seed; });
    if (other == second.runs.end()) continue;
    c.seeds.push_back(run.seed);
    a.push_back(run.value);
    b.push_back(other->value);
  }
  if (!a.empty()) c.test = paired_t_test(a, b);
  return c;
}

std::string value_text(const TableCell& cell, double value) {
  return fmt::format("{:.{}f}", value, cell.digits);
}

std::string unit_heading(const PaperTable& table) {
  const auto unit = table.common_unit();
  return unit && !unit->empty() ? ", " + *unit : "";
}

std::string budget_text(const TableCell& cell) {
  return cell.budget ? fmt::format("{:.3g}", *cell.budget) : "not stated";
}

std::string ours_text(const PaperTable& table, const TableCell& cell) {
  if (cell.runs.empty()) return "-";
  const Summary s = summarize(cell.values());
  std::string text = value_text(cell, s.mean);
  if (s.sd) text += " +- " + value_text(cell, *s.sd);
  if (!table.common_unit() && !cell.unit.empty()) text += " " + cell.unit;
  text += fmt::format(" ({})", s.n);
  // Rows of another budget must never pass for the paper's protocol.
  if (cell.budget && std::abs(*cell.budget - 1) > 0.005)
    text += fmt::format(" [budget {}]", budget_text(cell));
  return text;
}

std::string delta_text(const TableCell& cell) {
  const auto d = cell.delta();
  return d ? fmt::format("{:+.{}f}", *d, cell.digits) : "";
}

std::string comparison_text(const Comparison& c) {
  const std::string names = fmt::format("{} - {}", c.first, c.second);
  if (!c.test) return names + ": no common seed";
  const Summary& d = c.test->difference;
  std::string text = fmt::format("{}: {:+.{}f}", names, d.mean, c.digits);
  if (d.sd) text += fmt::format(" +- {:.{}f}", *d.sd, c.digits);
  text += fmt::format(" over {} paired seed{}", d.n, d.n == 1 ? "" : "s");
  if (c.test->p) text += fmt::format(", two-sided paired t-test p = {:.2g}", *c.test->p);
  return text;
}

}  // namespace bitwright::results
