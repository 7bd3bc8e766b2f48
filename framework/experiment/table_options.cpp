#include "experiment/table_options.h"

#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace bitwright {

static const std::vector<std::string> kShow{"percent", "error", "value"};

static Options cell_options() {
  return Options{}
      .text("name", "what the cell is called; unique; its folder where it changes the experiment")
      .text("row", "", "row of the paper's table")
      .text("column", "", "column of the paper's table")
      .text("experiment", "experiment file, relative to this one; left out: see 'of'")
      .optional()
      .text("of",
            "name of a cell above: this one shows another metric of its runs, and has no "
            "experiment, set and seeds of its own")
      .optional()
      .texts("set", {}, "changes to the experiment, written as on the command line: key.sub=value")
      .integers("seeds", {}, "seeds of the runs whose mean is compared; left out: 1")
      .min(0)
      .text("metric", "test_accuracy_hard",
            "a name under /results of run.h5, or what was logged last: 'evaluation/NAME', "
            "'evaluation/NAME[LAYER]', 'grids/STAGE/NAME[AXIS=VALUE, ...]'")
      .choice("show", kShow, "how its metric is shown; left out: the table's")
      .optional()
      .integer("digits", "after the point; left out: the table's")
      .min(0)
      .max(12)
      .optional()
      .text("value", "the paper's value, or 'not printed', or 'unverified'")
      .real("tolerance", "largest difference that still agrees; left out: the table's")
      .min(0)
      .optional()
      .real("paper_images",
            "training images that the paper's protocol sees in all stages of this cell; left out: "
            "the table's")
      .unit("images")
      .above(0)
      .optional();
}

static Options comparison_options() {
  return Options{}
      .text("first", "name of a cell")
      .text("second", "name of another; runs of equal seeds are compared: first - second");
}

Options table_options() {
  return Options{}
      .text("table", "the table's number or name in the paper")
      .text("paper", "the paper, with its arXiv number or DOI")
      .text("description", "", "for people")
      .choice("show", kShow, "percent",
              "how metrics are shown, and the paper's values given: percent: 100 times a fraction; "
              "error: 100 (1 - fraction), percent; value: as logged")
      .integer("digits", 2, "after the point")
      .min(0)
      .max(12)
      .real("tolerance", "largest difference between mean and paper that still agrees")
      .min(0)
      .optional()
      .real("paper_images", "training images that the paper's protocol sees in all stages")
      .unit("images")
      .above(0)
      .optional()
      .text("records", "",
            "folder of text records of finished runs, relative to this file, that stand in for run "
            "files")
      .sections("compare", comparison_options(), "paired comparisons")
      .optional()
      .sections("cells", cell_options(), "what is compared");
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

void check_table(const Settings& table) {
  std::set<std::string> names;
  for (const Settings& cell : table.sections("cells")) {
    const std::string& name = cell.text("name");
    if (!names.insert(name).second)
      throw config_error(cell.where("name"), fmt::format("two cells are called '{}'", name),
                         "a name of its own for each", "rename one");
    check_runs(cell, names);
    std::set<std::int64_t> seeds;
    for (const std::int64_t seed : cell.integers("seeds"))
      if (!seeds.insert(seed).second)
        throw config_error(cell.where("seeds"), fmt::format("seed {} is repeated", seed),
                           "every seed once: the same run twice proves nothing", "remove it");
  }
}

bool is_table(const ConfigNode& tree) { return tree.find("table") != nullptr; }

}  // namespace bitwright
