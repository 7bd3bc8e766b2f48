// What a stage of an experiment may say.
#include "experiment/grid_stage.h"
#include "experiment/schema.h"
#include "optim/schedules.h"

namespace bitwright {

static Options clip_options() {
  return Options{}
      .real("norm", "L2 norm of all gradients together that they are scaled down to")
      .above(0)
      .optional()
      .real("value", "largest magnitude of an element of a gradient")
      .above(0)
      .optional();
}

static Options average_options() {
  return Options{}
      .real("decay", "share of the average that stays in an update, such as 0.999")
      .above(0)
      .max(1)
      .optional()
      .boolean(
          "warm_up", false,
          "decay min(decay, (1 + t) / (10 + t)) in update t = 1, 2, ...; the average begins as the "
          "weights after update 0");
}

static Options stop_options() {
  return Options{}
      .real("accuracy", "validation top-1 of the deployed network that is enough, as a fraction")
      .above(0)
      .max(1)
      .optional()
      .integer("patience", "validations in a row without a better one that are enough")
      .min(1)
      .optional();
}

static Options& length_options(Options& options) {
  return options.integer("steps", "length, in updates; or give epochs or images")
      .unit("steps")
      .min(1)
      .optional()
      .known_elsewhere_as({"iterations", "iters", "max_iter"})
      .real("epochs", "length, in passes over the training part")
      .unit("epochs")
      .above(0)
      .optional()
      .known_elsewhere_as({"max_epochs", "num_epochs"})
      .real("images", "length, in training images seen")
      .unit("images")
      .above(0)
      .max(1e15)
      .optional()
      .integer("max_steps", "updates that the stage does not exceed, whatever its length")
      .unit("steps")
      .min(1)
      .optional();
}

static Options& weight_options(Options& options) {
  return options
      .choice("start", {"fresh", "previous"}, "fresh",
              "weights: drawn anew (the first stage's: as init says), or those that the stage "
              "before hands over")
      .choice("hand_over", {"best", "last"}, "best",
              "weights for the next stage and the final checkpoint: with the highest validation "
              "accuracy of the deployed network, or after the last step")
      .texts("freeze", {},
             "name patterns (* and ?) of parameters that keep their values; methods leave them "
             "alone, in float")
      .integer("reestimate_batch_norm", 0,
               "training batches from which running statistics are measured anew, with deployed "
               "weights, before the network is tested; of a grid, in every cell; 0: they stay as "
               "trained")
      .unit("batches")
      .min(0);
}

static Options& update_options(Options& options) {
  return options
      .component("optimizer", "optimizers", "", "how weights are updated; needed for training")
      .optional()
      .known_elsewhere_as({"optimiser", "optim"})
      .component("schedule", "schedules", "constant", "learning rate over the stage",
                 schedule_options())
      .known_elsewhere_as({"scheduler", "lr_schedule", "lr_scheduler"})
      .integer(
          "accumulate", 1,
          "batches of one update, whose gradients are averaged; steps and epochs count updates")
      .unit("batches")
      .min(1)
      .known_elsewhere_as({"gradient_accumulation_steps", "accumulation_steps"})
      .section("clip", clip_options(), "limits gradients before the optimizer; one of the two")
      .section("ema", average_options(),
               "moving average of what the optimizer updates: evaluated, selected and handed on in "
               "its place; no decay: none");
}

Options stage_options() {
  Options options;
  options.text("name", "what outputs call this stage; unique")
      .choice("kind", {"train", "evaluate"}, "train",
              "evaluate: no updates; methods act on the weights as they are, which are validated "
              "and tested");
  length_options(options);
  weight_options(options);
  options
      .component("data", "datasets", "", "changes to the experiment's data in this stage",
                 data_options())
      .optional()
      .inherits("data")
      .components("methods", "methods", "what quantizes in this stage; none: plain training");
  options
      .integer("calibration_images", 0,
               "images of the training part that are shown, before the stage begins, to methods "
               "that observe activations; 0: none")
      .unit("images")
      .min(0)
      .section("grid", grid_options(),
               "of an evaluation: every combination of quantizer, widths and steps, on weights "
               "that stay as they are; logged under /grids");
  update_options(options);
  return options.section("stop", stop_options(), "ends the stage before its length is over");
}

}  // namespace bitwright
