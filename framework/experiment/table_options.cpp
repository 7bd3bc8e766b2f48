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

bool is_table(const ConfigNode& tree) { return tree.find("table") != nullptr; }

}  // namespace bitwright
