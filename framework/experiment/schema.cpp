#include "experiment/schema.h"

#include "experiment/compose.h"
#include "experiment/sweep_options.h"

namespace bitwright {

static Options split_options() {
  return Options{}
      .choice("kind", {"last", "seeded", "fold"}, "last",
              "validation images: the last ones of the training part, drawn by chance, or one part "
              "of a cross-validation")
      .integer("validation", 10000, "number of validation images; not for folds")
      .unit("images")
      .min(1)
      .boolean("stratified", false,
               "drawn from each class in proportion to its size; not for the last ones")
      .integer("seed", "of what is drawn; unset: the seed of the run")
      .min(0)
      .optional()
      .integer("folds", 5, "parts of the cross-validation")
      .min(2)
      .integer("fold", 0, "the part that validates, from 0")
      .min(0)
      .integer("repeat", 0, "each has a partition into folds of its own")
      .min(0);
}

static Options subset_options() {
  return Options{}
      .integers("classes", {}, "these classes only, numbered anew in this order; empty: all")
      .min(0)
      .integer("per_class", "the first so many training images of each class")
      .unit("images")
      .min(1)
      .optional()
      .integer("first", "of what is left, the first so many training images")
      .unit("images")
      .min(1)
      .optional()
      .integer("test_first", "the first so many test images (of the classes chosen)")
      .unit("images")
      .min(1)
      .optional();
}

// Every data set declares its own `normalization` beside these.
Options data_options() {
  return Options{}
      .text("root", "", "folder with the data files; empty: the environment's BITWRIGHT_DATA")
      .text("cache", "",
            "folder for what is made from the data, such as decoded images; empty: bitwright in "
            "XDG_CACHE_HOME, else in ~/.cache")
      .integer("batch", 100, "images of a training batch")
      .unit("images")
      .min(1)
      .known_elsewhere_as({"batch_size", "train_batch_size", "bs"})
      .section("subset", subset_options(), "less than the whole set; named in outputs")
      .section("split", split_options(), "what is held out of the training part for validation")
      .components("augment", "augmentations",
                  "what chance does to training images, in this order; none: they stay as they are")
      .integer("workers", 1,
               "threads that prepare batches, beside those that compute; batches are the same for "
               "any number")
      .min(1)
      .max(64)
      .known_elsewhere_as({"num_workers"});
}

static Options init_options() {
  return Options{}
      .text("from", "",
            "HDF5 file of named float arrays, called as framework/nn/README.md says, or a finished "
            "run: its folder, or below 'runs' EXPERIMENT/seed-N, or EXPERIMENT (the run of this "
            "seed); empty: the seed draws the weights")
      .boolean("strict", true,
               "the file holds exactly the network's arrays; false: what it lacks keeps its drawn "
               "values, what the network lacks is not used, and both are said");
}

static Options evaluation_options() {
  return Options{}
      .integer("every", 100, "steps between validations, counted inside each epoch")
      .unit("steps")
      .min(1)
      .integer("batch", 500, "images of an evaluation batch")
      .unit("images")
      .min(1);
}

static Options checkpoint_options() {
  return Options{}
      .integer("every", 500, "steps between checkpoints, counted over the whole run")
      .unit("steps")
      .min(1)
      .integer("keep", 2, "checkpoints that stay")
      .min(1);
}

static Options histogram_options() {
  return Options{}
      .integer("every",
               "updates between two records, counted over the whole run, one of which takes about "
               "as long as an update; left out: no histograms")
      .unit("steps")
      .min(1)
      .optional()
      .integer("bins", 64, "equally wide bins, from the smallest value to the largest")
      .min(2)
      .max(4096)
      .boolean("weights", true, "of convolutions and linear layers, as trained, after the update")
      .boolean("activations", true, "what each layer hands on while the network is trained")
      .boolean("gradients", true, "of the loss by those weights, as the optimizer used them");
}

static Options watchdog_options() {
  const std::vector<std::string> reactions{"stop", "roll_back", "continue"};
  return Options{}
      .choice("non_finite", reactions, "stop",
              "NaN or Inf in the loss, a gradient, a weight or a running statistic; continue: the "
              "update of such a step is left out")
      .choice("divergence", reactions, "stop",
              "the running mean of the cross-entropy of training batches, over about 50 updates, "
              "exceeds loss_factor times its lowest value so far in the stage, or times "
              "ln(classes), which guessing costs, where that is larger")
      .choice("zero_scale", reactions, "continue",
              "a scale that a quantizer trains (a step, a clip) has fallen to 0, or to the bound "
              "that its method keeps it at")
      .choice("zero_layer", reactions, "continue",
              "all weights of a layer are 0, as trained or as deployed")
      .integer("every", 100,
               "between looks at gradients, weights, statistics and scales; the loss is looked at "
               "after each update, deployed weights with each validation")
      .unit("steps")
      .min(1)
      .real("loss_factor", 10, "see divergence")
      .above(1)
      .real("rate_factor", 0.5,
            "roll_back: what learning rates are multiplied by, until the stage ends")
      .above(0)
      .max(1)
      .integer("roll_backs", 3, "of one stage; after that, it stops")
      .min(0);
}

static Options log_options() {
  return Options{}
      .integer("every", 1, "steps between rows of /metrics/step")
      .unit("steps")
      .min(1)
      .real("flush", 1, "time after which new rows become visible to readers")
      .unit("seconds")
      .above(0)
      .real("progress", 10, "time between rows of /progress: speed and memory")
      .unit("seconds")
      .above(0)
      .section("histograms", histogram_options(), "of all layers, at chosen steps: /histograms");
}

static Options profile_options() {
  return Options{}
      .text("name", "what --profile calls it; unique")
      .text("description", "", "for people")
      .real("scale", 1,
            "factor on the length of every stage; lengths given as shares (25 %) scale with it")
      .above(0)
      .max(1)
      .integer("max_steps", "updates that no stage exceeds")
      .unit("steps")
      .min(1)
      .optional()
      .boolean("glyphs", false,
               "replaces the data by a small set of embedded glyphs of the same shape")
      .texts("set", {}, "further changes, written as on the command line: key.sub=value");
}

Options experiment_options() {
  return Options{}
      .text("experiment", "name of the experiment and of its folder under the output folder")
      .integer("version", config_version, "of the format of experiment files")
      .min(1)
      .max(config_version)
      .text("description", "", "for people")
      .integer("seed", 1, "all randomness of the run follows from it")
      .min(0)
      .known_elsewhere_as({"random_seed", "manual_seed"})
      .text("threads", "auto", "size of the team that computes: a number, or 'auto'")
      .known_elsewhere_as({"num_threads"})
      .choice("precision", {"f32", "bf16", "bf16_emulated"}, "f32",
              "of activations and their gradients; parameters and their gradients are f32")
      .known_elsewhere_as({"dtype"})
      .choice("algorithms", {"rule", "tuned"}, "rule",
              "how convolutions are computed: by the fixed rule, or as `bitwright tune` found "
              "fastest on this machine; recorded, and kept when resumed")
      .component("data", "datasets", "", "what is learned", data_options())
      .known_elsewhere_as({"dataset"})
      .component("network", "networks", "", "what learns it")
      .known_elsewhere_as({"model", "net", "arch", "backbone"})
      .section("init", init_options(), "what the first stage starts from")
      .sections("stages", stage_options(), "done one after the other")
      .section("evaluation", evaluation_options(), "validation during training")
      .known_elsewhere_as({"eval", "validation"})
      .section("checkpoint", checkpoint_options(), "state on disk, to continue from")
      .section("watchdog", watchdog_options(),
               "what is done when training goes wrong: stop (exit status 4, the state saved as "
               "checkpoint-diverged.h5), roll_back to the last checkpoint with a smaller learning "
               "rate, or continue after a warning")
      .section("log", log_options(), "what is written to run.h5, and when")
      .known_elsewhere_as({"logging"})
      .sections("profiles", profile_options(), "budgets that --profile selects from")
      .optional()
      .text("budget", "full",
            "the profile that this configuration was shortened by, for the record")
      .text("cell", "the cell of a sweep that this configuration is, for the record")
      .optional()
      .texts("allow", {}, "names of lints that are meant to be as they are");
}

Options file_options() {
  Options all = composition_options();
  for (const Options& more : {sweep_options(), experiment_options()})
    for (const Option& option : more.list()) all.add(option);
  return all;
}

}  // namespace bitwright
