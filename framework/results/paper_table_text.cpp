// Markdown, CSV and LaTeX.
#include <algorithm>
#include <set>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "results/csv.h"
#include "results/paper_table.h"

namespace bitwright::results {
namespace {

std::string escaped_markdown(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '\\' || c == '*' || c == '_' || c == '`' || c == '<') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

std::string escaped_latex(const std::string& text) {
  std::string out;
  for (const char c : text) switch (c) {
      case '\\':
        out += "\\textbackslash{}";
        break;
      case '~':
        out += "\\textasciitilde{}";
        break;
      case '^':
        out += "\\textasciicircum{}";
        break;
      case '&':
      case '%':
      case '$':
      case '#':
      case '_':
      case '{':
      case '}':
        out += '\\';
        [[fallthrough]];
      default:
        out += c;
    }
  return out;
}

template <class Escape>
std::string join(const std::vector<std::string>& cells, const std::string& between,
                 const Escape& escape) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) line += (i ? between : "") + escape(cells[i]);
  return line;
}

std::string markdown_row(const std::vector<std::string>& cells) {
  return "| " + join(cells, " | ", escaped_markdown) + " |\n";
}

std::string seeds_text(const TableCell& cell) {
  std::string text;
  for (const CellRun& run : cell.runs)
    text +=
        fmt::format("{}{}: {}", text.empty() ? "" : ", ", run.seed, value_text(cell, run.value));
  for (const std::int64_t seed : cell.missing)
    text += fmt::format("{}{}: missing", text.empty() ? "" : ", ", seed);
  return text;
}

std::string title(const PaperTable& table) { return "Table " + table.number; }

// What stands under a table for each cell: how to get it again, and where it is. Cells after the
// first that show other metrics of its runs are named with it.
std::string markdown_source(const TableCell& cell, std::span<const TableCell> later) {
  std::string text = fmt::format("- **{}**: metric `{}`, configuration {:.12}\n",
                                 escaped_markdown(cell.name), cell.metric, cell.config_hash);
  std::vector<std::string> others, problems = cell.problems;
  for (const TableCell& other : later) {
    if (other.command != cell.command) continue;
    others.push_back(fmt::format("{} `{}`", escaped_markdown(other.name), other.metric));
    for (const std::string& problem : other.problems)
      if (std::ranges::find(problems, problem) == problems.end()) problems.push_back(problem);
  }
  if (!others.empty()) text += fmt::format("  - also: {}\n", fmt::join(others, ", "));
  text += fmt::format("  - `{}`\n", cell.command);
  for (const CellRun& run : cell.runs)
    text += fmt::format("  - seed {}: [{}](<{}>), {}\n", run.seed, escaped_markdown(run.source),
                        run.source, escaped_markdown(run.revision));
  for (const std::string& problem : problems)
    text += fmt::format("  - {}\n", escaped_markdown(problem));
  return text;
}

std::string revisions(const TableCell& cell) {
  std::string text;
  for (const CellRun& run : cell.runs)
    if (text.find(run.revision) == std::string::npos)
      text += (text.empty() ? "" : "; ") + run.revision;
  return text;
}

}  // namespace

std::string as_markdown(const PaperTable& table) {
  std::string text =
      fmt::format("# {}: {}\n\n", escaped_markdown(title(table)), escaped_markdown(table.paper));
  if (!table.description.empty()) text += escaped_markdown(table.description) + "\n\n";
  const std::string unit = unit_heading(table);
  text += markdown_row({"row", "column", "paper" + unit, "ours: mean +- sd (n)" + unit,
                        "difference", "verdict", "budget", "by seed"});
  text += "|---|---|---|---|---|---|---|---|\n";
  for (const TableCell& cell : table.cells)
    text += markdown_row({cell.row, cell.column, cell.paper_text, ours_text(table, cell),
                          delta_text(cell), cell.verdict(), budget_text(cell), seeds_text(cell)});
  text += "\nBudget: training images seen, as a share of the paper's protocol. " +
          escaped_markdown(table.selection) + "\n";
  if (!table.comparisons.empty()) text += "\n## Paired comparisons\n\n";
  for (const Comparison& c : table.comparisons)
    text += "- " + escaped_markdown(comparison_text(c)) + "\n";
  text += "\n## Sources\n\n";
  std::set<std::string> said;
  for (std::size_t i = 0; i < table.cells.size(); ++i)
    if (said.insert(table.cells[i].command).second)
      text += markdown_source(table.cells[i], std::span(table.cells).subspan(i + 1));
  return text;
}

// What all lines of a cell begin with.
static std::vector<std::string> csv_cell(const PaperTable& table, const TableCell& cell) {
  const auto number = [](const std::optional<double>& value) {
    return value ? fmt::format("{}", *value) : std::string();
  };
  std::string mean, sd;
  if (!cell.runs.empty()) {
    const Summary s = summarize(cell.values());
    mean = number(s.mean);
    sd = number(s.sd);
  }
  return {table.number,
          cell.name,
          cell.row,
          cell.column,
          cell.metric,
          cell.unit,
          cell.paper_text,
          std::to_string(cell.runs.size()),
          mean,
          sd,
          number(cell.delta()),
          number(cell.tolerance),
          cell.verdict(),
          number(cell.budget),
          cell.config_hash};
}

std::string as_csv(const PaperTable& table) {
  std::string text = csv_line({"table", "cell", "row", "column", "metric", "unit", "paper", "n",
                               "mean", "sd", "difference", "tolerance", "verdict", "budget",
                               "config_sha256", "seed", "value", "source", "revision"});
  for (const TableCell& cell : table.cells) {
    const auto add = [&](const std::vector<std::string>& of_the_run) {
      std::vector<std::string> line = csv_cell(table, cell);
      line.insert(line.end(), of_the_run.begin(), of_the_run.end());
      text += csv_line(line);
    };
    for (const CellRun& run : cell.runs)
      add({std::to_string(run.seed), fmt::format("{}", run.value), run.source, run.revision});
    for (const std::int64_t seed : cell.missing) add({std::to_string(seed), "", "", ""});
  }
  return text;
}

std::string as_latex(const PaperTable& table) {
  const auto columns = table.columns();
  std::string text = fmt::format("% {}: {}\n", title(table), table.paper);
  for (const TableCell& cell : table.cells)
    text += fmt::format("% {}: {}; budget {}; configuration {:.12}; {}\n", cell.name,
                        cell.verdict(), budget_text(cell), cell.config_hash, revisions(cell));
  text += "\\begin{tabular}{l" + std::string(2 * columns.size(), 'r') + "}\n\\toprule\n";
  for (const std::string& column : columns)
    text += " & \\multicolumn{2}{c}{" + escaped_latex(column) + "}";
  text += " \\\\\n";
  for (std::size_t i = 0; i < columns.size(); ++i) text += " & paper & ours";
  text += " \\\\\n\\midrule\n";
  for (const std::string& row : table.rows()) {
    text += escaped_latex(row);
    for (const std::string& column : columns) {
      const TableCell* const cell = table.at(row, column);
      if (!cell) {
        text += " & & ";
        continue;
      }
      std::string ours = escaped_latex(ours_text(table, *cell));
      if (const auto at = ours.find("+-"); at != std::string::npos) ours.replace(at, 2, "$\\pm$");
      text += " & " + escaped_latex(cell->paper_text) + " & " + ours;
    }
    text += " \\\\\n";
  }
  return text + "\\bottomrule\n\\end{tabular}\n";
}

}  // namespace bitwright::results
