#pragma once
// A table of a paper beside what our runs give, as numbers; paper_table_text.cpp and
// paper_table_html.cpp write it down.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "results/statistics.h"

namespace bitwright::results {

/// One finished run of a cell.
struct CellRun {
  std::int64_t seed = 0;
  double value = 0;      ///< of the cell's metric, in the cell's unit
  std::string source;    ///< run file, or record, relative to the working directory
  std::string revision;  ///< of the program that ran it
};

/// What the paper printed and what we got for it.
struct TableCell {
  std::string name, row, column;
  std::string metric;           ///< a name under /results, or a logged value's
  std::string unit;             ///< "%", "" ...
  int digits = 2;               ///< after the point
  std::optional<double> paper;  ///< none: see `paper_text`
  std::string paper_text;       ///< as in the table file: "98.24", "not printed", "unverified"
  std::optional<double> tolerance;
  std::vector<CellRun> runs;          ///< finished ones, in the order of the seeds
  std::vector<std::int64_t> missing;  ///< seeds without a finished run
  std::optional<double> budget;       ///< training images seen, as a share of the paper's
  std::string config_hash;            ///< SHA-256 of what decides the numbers, seed aside
  std::string command;                ///< that makes its runs, with seed=N
  std::vector<std::string> problems;  ///< why a run that is there does not count

  std::vector<double> values() const;
  std::optional<double> delta() const;  ///< mean - paper, where both are known
  /// "within", "above" or "below" by |mean - paper| against the tolerance; "no target" without a
  /// number of the paper's, "no tolerance" without one, "no runs" without any.
  std::string verdict() const;
};

/// Two cells of the same seeds.
struct Comparison {
  std::string first, second;  ///< names of cells: first - second
  int digits = 2;             ///< after the point
  std::vector<std::int64_t> seeds;
  std::optional<PairedTest> test;  ///< none without a common seed
};

struct PaperTable {
  std::string number, paper, description;
  std::string selection;  ///< which weights the metrics belong to
  std::vector<TableCell> cells;
  std::vector<Comparison> comparisons;

  std::vector<std::string> rows() const;     ///< in the order of the cells, each once
  std::vector<std::string> columns() const;  ///< the same
  const TableCell* at(const std::string& row, const std::string& column) const;
  /// That of all cells; none where they differ: each number then has its own behind it.
  std::optional<std::string> common_unit() const;
};

/// The difference of two cells over the seeds that both have.
Comparison compare(const TableCell& first, const TableCell& second);

// What a table says about itself in every format.
std::string value_text(const TableCell& cell, double value);
/// The unit in a heading, ", %"; nothing where cells differ.
std::string unit_heading(const PaperTable& table);
/// "98.10 +- 0.19 (3)", "98.10 (1)", "-"; a cell of another budget than the paper's has it behind.
std::string ours_text(const PaperTable& table, const TableCell& cell);
std::string delta_text(const TableCell& cell);   ///< "+0.12" or ""
std::string budget_text(const TableCell& cell);  ///< "1", "0.1", "not stated"
std::string comparison_text(const Comparison& comparison);

std::string as_markdown(const PaperTable& table);
std::string as_csv(const PaperTable& table);    ///< one line per cell and seed
std::string as_latex(const PaperTable& table);  ///< a tabular with booktabs
std::string as_html(const PaperTable& table);   ///< one page without outside references

}  // namespace bitwright::results
