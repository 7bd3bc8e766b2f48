#pragma once
// One run, from loaded data to tested weights.

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include <bitwright/results/checkpoint.h>
#include <bitwright/results/run_file.h>

#include "experiment/assembly.h"
#include "experiment/progress.h"
#include "experiment/roll_backs.h"
#include "experiment/run_directory.h"
#include "experiment/run_log.h"
#include "experiment/run_plan.h"
#include "experiment/runner.h"
#include "experiment/trace.h"
#include "train/histograms.h"
#include "train/numerics_check.h"
#include "train/step_observers.h"

namespace bitwright {

/// One run from its configuration to its table: the stages in order, each trained, selected and
/// tested, with everything that is needed to continue after a kill.
class Run {
 public:
  Run(const Registries& registries, const RunRequest& request, RunDirectory directory, int threads);

  /// Continues from a checkpoint instead of from the beginning. `before` is what was recorded so
  /// far; the warnings go on record.
  void resume(const Checkpoint& checkpoint, const RunReader& before,
              const std::vector<std::string>& warnings = {});
  void train();  ///< throws an Error when training diverged
  bool stopped() const { return stopped_; }
  const std::map<std::string, double>& results() const { return results_; }
  const std::string& subset() const { return data_.of(0).subset; }  ///< see ExperimentData

 private:
  void open_run_file(const Carried& carried);
  void warn_without_swmr(const std::vector<Event>& on_record);
  void refuse_other_data(const std::map<std::string, std::string>& provenance) const;
  void refuse_other_weights(const std::map<std::string, std::string>& provenance) const;
  Carried take_over(const RunReader& before);
  void restore(const Checkpoint& checkpoint);
  void forget_network();
  void start_over();
  bool roll_back(const Diverged& diverged);
  void restore_healthy_checkpoint();
  [[noreturn]] void give_up(const Diverged& diverged);
  std::int64_t run_step(std::int64_t stage_step) const;
  void say_what_init_left();
  void record_algorithms();
  void begin_stage();
  const Settings& stage_settings() const;
  void reestimate();
  void run_stage();
  void observe_stage();
  void finish_stage();
  void test(const std::string& suffix);
  void record_size();
  void save(std::int64_t run_step);
  void prune();
  void save_final();
  void visit(StateVisitor& visitor);
  void visit_position(StateVisitor& visitor);

  const Registries& registries_;
  const RunRequest& request_;
  const Settings& config_;
  const RunDirectory directory_;
  const int threads_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  const StageData data_;
  std::unique_ptr<Network> network_;
  RunPlan plan_;
  Progress progress_;
  std::unique_ptr<RunWriter> writer_;
  std::unique_ptr<RunLog> log_;
  std::unique_ptr<Stage> stage_;
  std::unique_ptr<Trace> trace_;  // null: not asked for
  std::unique_ptr<NumericsCheck> numerics_;
  std::unique_ptr<Histograms> histograms_;
  StepObservers observers_;  // of the stage
  std::int64_t stage_index_ = 0;
  RollBacks roll_backs_;
  HandedOverByMethod left_;  // by the methods of stages that are over
  std::map<std::string, double> results_;
  std::size_t algorithms_seen_ = 0;  // of what this process chose
  std::set<std::string> on_record_;  // messages of events that are not said twice
  double training_seconds_ = 0;
  bool stopped_ = false;
};

}  // namespace bitwright
