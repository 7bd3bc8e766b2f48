#include "experiment/table_options.h"

namespace bitwright {

static Options cell_options() {
  return Options{}
      .text("name", "what the cell is called; unique")
      .text("row", "", "row of the paper's table")
      .text("column", "", "column of the paper's table")
      .text("experiment", "experiment file, relative to this one")
      .texts("set", {}, "changes to the experiment, written as on the command line: key.sub=value")
      .integers("seeds", {1}, "seeds of the runs whose mean is compared")
      .min(0)
      .text("metric", "test_accuracy_hard", "a name under /results of run.h5")
      .text("value", "the paper's value, or 'not printed', or 'unverified'")
      .real("tolerance", "largest difference that still agrees; left out: the table's")
      .min(0)
      .optional();
}

Options table_options() {
  return Options{}
      .text("table", "the table's number or name in the paper")
      .text("paper", "the paper, with its arXiv number or DOI")
      .text("description", "", "for people")
      .real("tolerance", "largest difference between mean and paper that still agrees")
      .min(0)
      .optional()
      .sections("cells", cell_options(), "what is compared");
}

bool is_table(const ConfigNode& tree) { return tree.find("table") != nullptr; }

}  // namespace bitwright
