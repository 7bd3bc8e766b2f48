#include "experiment/sweep_options.h"

namespace bitwright {

static Options axis_options() {
  return Options{}
      .text("key",
            "path of what varies, as on the command line: stages.float.optimizer.learning_rate")
      .text("name", "what folders call it; left out: the last part of the key")
      .optional()
      .any("values",
           "what it takes: numbers, texts, lists, mappings; with random, one of them by chance")
      .optional()
      .real("low", "with random: the least that is drawn")
      .optional()
      .real("high", "with random: the bound of what is drawn")
      .optional()
      .choice("scale", {"linear", "log"}, "linear",
              "of what is drawn: uniform, or uniform in its logarithm")
      .boolean("whole", false, "what is drawn is rounded to an integer");
}

static Options cell_options() {
  return Options{}
      .text("name", "what the cell's folder is called; unique")
      .texts("set", {}, "what it changes, written as on the command line: key.sub=value");
}

static Options kind_options() {
  return Options{}
      .choice("kind", {"grid", "zip", "random", "list"}, "grid",
              "which cells: all combinations of the axes' values, the first values together, then "
              "the second and so on, drawn by chance, or those listed")
      .sections("axes", axis_options(), "what varies, with grid, zip and random")
      .optional()
      .sections("cells", cell_options(), "the cells, with list")
      .optional()
      .integer("samples",
               "with random: the number of cells; more of them leave the others as they are")
      .min(1)
      .optional()
      .integer("seed", 1, "with random: all that is drawn follows from it")
      .min(0);
}

Options sweep_options() {
  return Options{}
      .integers("seeds", {},
                "one run each, in place of 'seed'; with a sweep, each of its cells has all of them")
      .min(0)
      .section("sweep", kind_options(), "one file for many runs, each with a folder of its own");
}

}  // namespace bitwright
