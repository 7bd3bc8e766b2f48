#pragma once
// Follows a stage's training: writes metrics to run.h5, keeps the progress line, and decides after
// each step whether to checkpoint or to stop.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include <bitwright/results/run_file.h>

#include "experiment/progress.h"
#include "experiment/run_plan.h"
#include "train/trainer.h"

namespace bitwright {

struct RunLogOptions {
  std::int64_t log_every = 1;                   ///< steps between rows of /metrics/step
  double flush_every = 1;                       ///< seconds
  double progress_every = 10;                   ///< seconds between rows of /progress
  std::int64_t checkpoint_every = 500;          ///< steps, counted over the whole run
  std::optional<std::int64_t> stop_after = {};  ///< step of the run
};

class RunLog final : public TrainingObserver {
 public:
  /// `checkpoint` is called with the updates done in the run, after the rows so far were flushed.
  RunLog(RunWriter& writer, Progress& progress, const RunPlan& plan, const RunLogOptions& options,
         std::function<void(std::int64_t)> checkpoint);

  /// What follows belongs to this stage; `metrics` are those of its methods.
  void begin_stage(std::size_t index, const std::vector<MetricDeclaration>& metrics);

  void on_histograms(HistogramOf of, std::int64_t run_step, const HistogramRecord& record);

  void on_step(const StepRecord& record) override;
  void on_evaluation(const EvaluationRecord& record) override;
  void on_epoch(const EpochRecord& record) override;
  void on_cell(std::int64_t cell, const Evaluation& result) override;
  void on_warning(const Warning& warning) override;
  bool on_step_complete(std::int64_t steps_done) override;

 private:
  const StagePlan& stage() const { return plan_.stages[index_]; }
  void flush_when_due();
  void log_progress_when_due(std::int64_t run_step);

  RunWriter& writer_;
  Progress& progress_;
  const RunPlan& plan_;
  const RunLogOptions options_;
  const std::function<void(std::int64_t)> checkpoint_;
  std::size_t index_ = 0;
  std::vector<std::size_t> columns_;  // of the stage's numbers among those of all metrics
  ProgressState shown_;
  double step_seconds_ = 0, waiting_seconds_ = 0;  // of all stages, in this process
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point flushed_ = began_, progress_logged_ = began_;
  struct {
    double steps = 0, seconds = 0, waiting = 0;
  } interval_;  // since the last row of /progress
};

}  // namespace bitwright
