#pragma once
// What is known about a run before it starts: its stages in a row, the tables and results that its
// run file will hold.

#include <optional>
#include <string>
#include <vector>

#include <bitwright/core/registry.h>
#include <bitwright/results/run_file.h>
#include <bitwright/train/method.h>

#include "train/histograms.h"

namespace bitwright {

struct StagePlan {
  std::string name;
  std::int64_t steps = 0;
  std::int64_t steps_per_epoch = 1;
  std::int64_t steps_before = 0;         ///< of earlier stages
  std::int64_t epochs_before = 0;        ///< completed by earlier stages
  std::optional<std::size_t> grid = {};  ///< index into RunPlan::grids
};

struct RunPlan {
  std::vector<StagePlan> stages;
  std::vector<MetricDeclaration> method_metrics;  ///< union over the stages
  std::vector<ResultGrid> grids;                  ///< of the stages that have one
  std::int64_t steps = 0;                         ///< of the whole run
  bool gradient_norm = false;                     ///< logged, because a stage clips by it
  HistogramOptions histograms;
  HistogramNames histogram_names;

  // Indices into tables().
  static constexpr std::size_t kStep = 0, kEpoch = 1, kEvaluation = 2, kProgress = 3;
  std::size_t table_of(HistogramOf of) const;  ///< one that is recorded
  std::vector<Table> tables() const;
  static std::vector<ResultSlot> results();
};

/// `training_images`: of each stage, those that are trained on.
RunPlan plan_run(const Registries& registries, const Settings& config, const Network& network,
                 const std::vector<std::size_t>& training_images);

}  // namespace bitwright
