#include "experiment/run_log.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>
#include <span>

#include <unistd.h>

#include "experiment/histogram_log.h"
#include "experiment/signals.h"

namespace bitwright {

static double number(std::int64_t n) { return static_cast<double>(n); }

RunLog::RunLog(RunWriter& writer, Progress& progress, const RunPlan& plan,
               const RunLogOptions& options, std::function<void(std::int64_t)> checkpoint)
    : writer_(writer),
      progress_(progress),
      plan_(plan),
      options_(options),
      checkpoint_(std::move(checkpoint)) {}

void RunLog::begin_stage(std::size_t index, const std::vector<MetricDeclaration>& metrics) {
  index_ = index;
  columns_.clear();
  for (const MetricDeclaration& m : metrics) {
    std::size_t first = 0;
    const MetricDeclaration* known = nullptr;
    for (const MetricDeclaration& k : plan_.method_metrics) {
      known = &k;
      if (k.name == m.name && k.layers.empty() == m.layers.empty()) break;
      first += k.width();
    }
    if (m.layers.empty()) columns_.push_back(first);
    for (const std::string& layer : m.layers)
      columns_.push_back(first + static_cast<std::size_t>(std::ranges::find(known->layers, layer) -
                                                          known->layers.begin()));
  }
  shown_ = {stage().name, 0, stage().steps, 0, plan_.steps, 0, 0, -1};
}

void RunLog::on_step(const StepRecord& r) {
  const std::int64_t run_step = stage().steps_before + r.step;
  if (r.step % options_.log_every == 0) {
    const std::array row{number(run_step), number(static_cast<std::int64_t>(index_)), r.train_loss,
                         r.learning_rate, r.gradient_norm};
    writer_.append(RunPlan::kStep, std::span(row).first(plan_.gradient_norm ? 5 : 4));
  }
  step_seconds_ += r.seconds;
  waiting_seconds_ += r.waiting;
  interval_.steps += 1;
  interval_.seconds += r.seconds;
  interval_.waiting += r.waiting;
  shown_.loss = shown_.stage_step == 0 ? r.train_loss : 0.98 * shown_.loss + 0.02 * r.train_loss;
  shown_.stage_step = r.step;
  shown_.epoch = r.step / stage().steps_per_epoch;
  shown_.run_step = run_step;
}

void RunLog::on_histograms(HistogramOf of, std::int64_t run_step, const HistogramRecord& record) {
  writer_.append(plan_.table_of(of), histogram_row(run_step, index_, record));
}

void RunLog::on_evaluation(const EvaluationRecord& r) {
  std::vector<double> row{number(stage().steps_before + r.step),
                          number(static_cast<std::int64_t>(index_)), r.hard.loss, r.hard.accuracy};
  const std::size_t first = row.size();
  std::size_t numbers = 0;
  for (const MetricDeclaration& m : plan_.method_metrics) numbers += m.width();
  row.resize(first + numbers, std::numeric_limits<double>::quiet_NaN());
  for (std::size_t i = 0; i < r.metrics.size(); ++i) row[first + columns_[i]] = r.metrics[i];
  writer_.append(RunPlan::kEvaluation, row);
  shown_.validation_accuracy = r.hard.accuracy;
}

void RunLog::on_epoch(const EpochRecord& r) {
  const std::array row{number(stage().epochs_before + r.epoch),
                       number(stage().steps_before + r.step),
                       number(static_cast<std::int64_t>(index_)),
                       r.train_loss,
                       r.train_accuracy,
                       r.soft.loss,
                       r.soft.accuracy,
                       r.hard.accuracy};
  writer_.append(RunPlan::kEpoch, row);
}

void RunLog::on_cell(std::int64_t cell, const Evaluation& result) {
  const std::array values{result.accuracy, result.loss};
  writer_.cell(stage().grid.value(), static_cast<std::size_t>(cell), values);
  shown_.stage_step = cell + 1;
  shown_.run_step = stage().steps_before + cell + 1;
}

void RunLog::on_warning(const Warning& warning) {
  const std::string text = stage().name + ": " + warning.what;
  writer_.event({stage().steps_before + warning.step, "warning", text});
  progress_.warn("bitwright: warning: " + text);
}

bool RunLog::on_step_complete(std::int64_t steps_done) {
  progress_.update(shown_);
  const std::int64_t run_step = stage().steps_before + steps_done;
  const bool stop = stop_signal() != 0 || run_step == options_.stop_after;
  log_progress_when_due(run_step);
  if (stop || steps_done == stage().steps || run_step % options_.checkpoint_every == 0) {
    writer_.wallclock("steps", step_seconds_);
    writer_.wallclock("waiting", waiting_seconds_);
    writer_.flush(true);  // before the checkpoint: a resumed run must find every row up to it
    checkpoint_(run_step);
  } else {
    flush_when_due();
  }
  return stop;
}

// Of this process, NaN where the system does not tell.
static double resident_mb() {
  std::ifstream statm("/proc/self/statm");
  double pages = 0, resident = 0;
  if (!(statm >> pages >> resident)) return std::numeric_limits<double>::quiet_NaN();
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e6;
}

void RunLog::log_progress_when_due(std::int64_t run_step) {
  const auto now = std::chrono::steady_clock::now();
  const std::chrono::duration<double> since = now - progress_logged_, total = now - began_;
  if (since.count() < options_.progress_every) return;
  const double steps = std::max(interval_.steps, 1.0);  // a grid's are no training steps
  const std::array row{number(run_step), total.count(), 1e3 * interval_.seconds / steps,
                       interval_.steps > 0 ? interval_.waiting / interval_.seconds : 0,
                       resident_mb()};
  writer_.append(RunPlan::kProgress, row);
  interval_ = {};
  progress_logged_ = now;
}

void RunLog::flush_when_due() {
  const auto now = std::chrono::steady_clock::now();
  if (std::chrono::duration<double>(now - flushed_).count() < options_.flush_every) return;
  writer_.flush();
  flushed_ = now;
}

}  // namespace bitwright
