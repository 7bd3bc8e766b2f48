#include "experiment/run_plan.h"

#include <algorithm>

#include "experiment/assembly.h"
#include "experiment/grid_stage.h"
#include "experiment/histogram_log.h"

namespace bitwright {

RunPlan plan_run(const Registries& registries, const Settings& config, const Network& network,
                 const std::vector<std::size_t>& training_images) {
  RunPlan plan;
  std::int64_t epochs = 0;
  for (const Settings& stage : config.sections("stages")) {
    const std::int64_t epoch = steps_per_epoch(config, stage, training_images[plan.stages.size()]);
    const std::int64_t steps = stage_steps(config, stage, epoch);
    plan.stages.push_back({stage.text("name"), steps, epoch, plan.steps, epochs});
    if (has_grid(stage)) {
      plan.stages.back().grid = plan.grids.size();
      plan.grids.push_back(grid_layout(stage));
    }
    plan.steps += steps;
    if (stage.text("kind") == "train") epochs += steps / epoch;
    plan.gradient_norm |= stage.section("clip").has("norm");
  }
  plan.method_metrics = declared_metrics(registries, config, network);
  plan.histograms = histogram_options(config.section("log").section("histograms"));
  plan.histogram_names = HistogramNames(network);
  return plan;
}

std::vector<Table> RunPlan::tables() const {
  const Column step{"step", "steps", "updates done, counted over the whole run", true, {}};
  const Column stage{"stage", "1", "index of the stage, from 0", true, {}};
  Table steps{
      "/metrics/step",
      "step",
      {step,
       stage,
       {"train_loss", "nats", "loss of the step's batch, mean over accumulated ones", false, {}},
       {"learning_rate", "1", "learning rate of the update", false, {}}}};
  if (gradient_norm)
    steps.columns.push_back(
        {"gradient_norm", "1", "L2 norm of all gradients before the clip", false, {}});
  Table epochs{
      "/metrics/epoch",
      "epoch",
      {{"epoch", "epochs", "epochs completed, counted over the whole run", true, {}},
       step,
       stage,
       {"train_loss", "nats", "mean loss of the epoch's batches, as trained", false, {}},
       {"train_accuracy", "1", "fraction of the epoch's images right, as trained", false, {}},
       {"val_loss", "nats", "validation cross-entropy of the soft network", false, {}},
       {"val_accuracy", "1", "validation top-1 of the soft network", false, {}},
       {"val_accuracy_hard", "1", "validation top-1 of the deployed network", false, {}}}};
  Table evaluations{
      "/metrics/evaluation",
      "step",
      {step,
       stage,
       {"val_loss_hard", "nats", "validation cross-entropy of the deployed network", false, {}},
       {"val_accuracy_hard", "1", "validation top-1 of the deployed network", false, {}}}};
  for (const MetricDeclaration& m : method_metrics)
    evaluations.columns.push_back({m.name, m.unit, m.description, false, m.layers});
  Table progress{
      "/progress",
      "step",
      {step,
       {"seconds", "s", "since this process began; starts again when a run is resumed", false, {}},
       {"step_ms", "ms", "mean of a training step since the row before", false, {}},
       {"waiting", "1", "share of the steps since then that waited for data", false, {}},
       {"resident_mb", "MB", "memory of the process (10^6 bytes)", false, {}}}};
  std::vector<Table> all{steps, epochs, evaluations, progress};
  for (Table& table : histogram_tables(histograms, histogram_names))
    all.push_back(std::move(table));
  return all;
}

std::size_t RunPlan::table_of(HistogramOf of) const {
  const std::vector<HistogramOf> all = recorded(histograms);
  return kProgress + 1 + static_cast<std::size_t>(std::ranges::find(all, of) - all.begin());
}

std::vector<ResultSlot> RunPlan::results() {
  const std::string selected =
      " at the step with the highest validation accuracy of the deployed "
      "network, the earliest among equals";
  return {
      {"test_accuracy_float", "1", "test top-1 of the stage without methods" + selected},
      {"test_accuracy_float_last", "1",
       "test top-1 of the stage without methods after the last step"},
      {"test_accuracy_soft", "1", "test top-1 of the network as trained" + selected},
      {"test_accuracy_soft_last", "1", "test top-1 of the network as trained after the last step"},
      {"test_accuracy_hard", "1", "test top-1 of the quantized network" + selected},
      {"test_accuracy_hard_last", "1", "test top-1 of the quantized network after the last step"},
      {"selected_step_float", "steps", "selected update of the stage without methods"},
      {"selected_step_hard", "steps", "selected update of the stage with methods"},
      {"val_accuracy_float", "1", "validation top-1 at the selected step, without methods"},
      {"val_accuracy_hard", "1", "validation top-1 at the selected step, quantized"},
      {"parameters", "1", "learnable elements of the network"},
      {"bits_per_weight", "bits", "mean over all learnable elements, deployed"},
      {"size_float", "bytes", "all learnable elements in 32 bits"},
      {"size_hard", "bytes", "all learnable elements as deployed, as the paper counts"},
      {"size_stored", "bytes",
       "the deployed network on disk: packed codes, scales, code books, statistics"}};
}

}  // namespace bitwright
