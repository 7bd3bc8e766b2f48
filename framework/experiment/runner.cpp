#include "experiment/runner.h"

#include <chrono>
#include <cmath>
#include <fstream>
#include <iterator>
#include <optional>

#include <fmt/format.h>

#include <bitwright/core/parallel.h>
#include <bitwright/results/checkpoint.h>
#include <bitwright/results/run_file.h>
#include <bitwright/results/run_lock.h>

#include "experiment/assembly.h"
#include "experiment/progress.h"
#include "experiment/provenance.h"
#include "experiment/run_directory.h"
#include "experiment/run_log.h"
#include "experiment/run_plan.h"
#include "experiment/signals.h"
#include "experiment/summary.h"

namespace bitwright {
namespace {

using Clock = std::chrono::steady_clock;

/// One run from its configuration to its table: the stages in order, each trained, selected and
/// tested, with everything that is needed to continue after a kill.
class Run {
 public:
  Run(const Registries& registries, const RunRequest& request, RunDirectory directory, int threads);

  /// Continues from a checkpoint instead of from the beginning.
  void resume(const Checkpoint& checkpoint);
  void train();  ///< throws an Error when training diverged
  bool stopped() const { return stopped_; }
  const std::map<std::string, double>& results() const { return results_; }

 private:
  void open_run_file(const Carried& carried);
  void run_stage();
  void finish_stage();
  void test(const std::string& suffix);
  void record_size();
  void save(std::int64_t run_step);
  void save_final();
  void visit(StateVisitor& visitor);

  const Registries& registries_;
  const RunRequest& request_;
  const Settings& config_;
  const RunDirectory directory_;
  const int threads_;
  const Clock::time_point start_ = Clock::now();
  ExperimentData data_;
  std::unique_ptr<Network> network_;
  RunPlan plan_;
  Progress progress_;
  std::unique_ptr<RunWriter> writer_;
  std::unique_ptr<RunLog> log_;
  std::unique_ptr<Stage> stage_;
  std::int64_t stage_index_ = 0;
  std::map<std::string, double> results_;
  double training_seconds_ = 0;
  bool stopped_ = false;
};

Run::Run(const Registries& registries, const RunRequest& request, RunDirectory directory,
         int threads)
    : registries_(registries),
      request_(request),
      config_(request.config),
      directory_(std::move(directory)),
      threads_(threads),
      data_(load_data(registries, config_)),
      network_(build_network(registries, config_, data_.dataset->input())),
      plan_(plan_run(registries, config_,
                     static_cast<std::int64_t>(data_.split.train.size()) /
                         config_.section("data").integer("batch"))),
      progress_(request.quiet) {
  for (const ResultSlot& slot : RunPlan::results()) results_[slot.name] = NAN;
}

void Run::open_run_file(const Carried& carried) {
  RunHeader header;
  header.experiment = config_.text("experiment");
  header.config = request_.config_text;
  header.seed = config_.integer("seed");
  header.provenance = gather_provenance(request_.command_line, threads_);
  for (const auto& [source, hash] : data_.dataset->hashes())
    header.provenance["data." + source] = hash;
  header.tables = plan_.tables();
  header.results = RunPlan::results();
  writer_ = RunWriter::create(directory_.run_file(), header, carried);

  const Settings& log = config_.section("log");
  log_ = std::make_unique<RunLog>(
      *writer_, progress_, plan_,
      RunLogOptions{.log_every = log.integer("every"),
                    .flush_every = log.real("flush"),
                    .checkpoint_every = config_.section("checkpoint").integer("every")},
      [this](std::int64_t run_step) { save(run_step); });
}

void Run::resume(const Checkpoint& checkpoint) {
  checkpoint.load_scope("position", [this](StateVisitor& v) { v.integer("stage", stage_index_); });
  stage_ = std::make_unique<Stage>(registries_, config_, static_cast<std::size_t>(stage_index_),
                                   data_, *network_);
  checkpoint.load([this](StateVisitor& v) { visit(v); });
  const std::int64_t step = plan_.stages[static_cast<std::size_t>(stage_index_)].steps_before +
                            stage_->trainer->steps_done();
  open_run_file(carried_until(*RunReader::open(directory_.run_file()), step));
  writer_->event({step, "resumed", fmt::format("resumed at step {}", step)});
  progress_.say(fmt::format("resumed at step {} of {}", step, plan_.steps));
}

void Run::train() {
  if (!writer_) {
    open_run_file({});
    writer_->event({0, "started", "started"});
  }
  writer_->flush();
  try {
    for (; stage_index_ < static_cast<std::int64_t>(plan_.stages.size()); ++stage_index_) {
      run_stage();
      if (stopped_) break;
      finish_stage();
    }
  } catch (const Diverged& diverged) {
    const std::int64_t step =
        plan_.stages[static_cast<std::size_t>(stage_index_)].steps_before + diverged.step;
    writer_->event({step, "diverged", diverged.what()});
    writer_->close(RunStatus::failed);
    throw Error(ExitStatus::diverged, Place{directory_.run_file()}, diverged.what(),
                "a finite loss", "lower the learning rate; the last checkpoint is kept");
  }
  if (!stopped_) save_final();
  writer_->wallclock("training", training_seconds_);
  writer_->wallclock("total", std::chrono::duration<double>(Clock::now() - start_).count());
  writer_->close(stopped_ ? RunStatus::stopped : RunStatus::finished);
}

void Run::run_stage() {
  if (!stage_)
    stage_ = std::make_unique<Stage>(registries_, config_, static_cast<std::size_t>(stage_index_),
                                     data_, *network_);
  log_->begin_stage(static_cast<std::size_t>(stage_index_), stage_->methods->metrics());
  const auto began = Clock::now();
  stopped_ = !stage_->trainer->run(*log_);
  training_seconds_ += std::chrono::duration<double>(Clock::now() - began).count();
  if (stopped_) {
    const std::int64_t step = plan_.stages[static_cast<std::size_t>(stage_index_)].steps_before +
                              stage_->trainer->steps_done();
    writer_->event({step, "stopped", fmt::format("stopped by a signal at step {}, saved", step)});
    progress_.say(fmt::format("stopped at step {}; state saved in {}; continue with --resume", step,
                              directory_.path()));
  }
}

// Only now, with training over, are the test images looked at: on the last weights, then on those
// that validation selected, which are also what the next stage starts from.
void Run::finish_stage() {
  test("_last");
  const std::string kind = stage_->quantizes ? "hard" : "float";
  results_["selected_step_" + kind] = static_cast<double>(stage_->trainer->selected_step());
  results_["val_accuracy_" + kind] = stage_->trainer->selected_accuracy();
  stage_->trainer->restore_selected();
  test("");
  record_size();
  for (const auto& [name, value] : results_) writer_->result(name, value);
  stage_->methods->hand_over();
  const bool last = stage_index_ + 1 == static_cast<std::int64_t>(plan_.stages.size());
  if (!last) stage_.reset();
}

void Run::test(const std::string& suffix) {
  Evaluator evaluator(
      *network_, *stage_->methods,
      std::make_unique<EvaluationLoader>(data_.test, config_.section("evaluation").integer("batch"),
                                         data_.normalization));
  if (stage_->quantizes) {
    results_["test_accuracy_soft" + suffix] = evaluator.run(Deployment::soft).accuracy;
    results_["test_accuracy_hard" + suffix] = evaluator.run(Deployment::hard).accuracy;
  } else {
    results_["test_accuracy_float" + suffix] = evaluator.run(Deployment::hard).accuracy;
  }
}

void Run::record_size() {
  double bits = 0;
  for (const Parameter& p : network_->parameters())
    bits += stage_->methods->bits(p) * static_cast<double>(p.value.numel());
  const double elements = static_cast<double>(network_->parameter_count());
  results_["parameters"] = elements;
  results_["bits_per_weight"] = bits / elements;
  results_["size_float"] = 4 * elements;
  results_["size_hard"] = bits / 8;
}

void Run::visit(StateVisitor& visitor) {
  {
    const StateScope scope(visitor, "position");
    visitor.integer("stage", stage_index_);
  }
  {
    const StateScope scope(visitor, "results");
    for (auto& [name, value] : results_) visitor.real(name, value);
  }
  const StateScope scope(visitor, "stage");
  stage_->trainer->visit(visitor);
}

void Run::save(std::int64_t run_step) {
  save_checkpoint(directory_.path() + "/" + checkpoint_name(run_step),
                  [this](StateVisitor& v) { visit(v); });
  prune_checkpoints(directory_.path(),
                    static_cast<int>(config_.section("checkpoint").integer("keep")));
}

// The selected network: its weights as they would be deployed, and the state they come from.
void Run::save_final() {
  save_checkpoint(directory_.final_checkpoint(), [this](StateVisitor& v) {
    {
      const StateScope scope(v, "results");
      for (auto& [name, value] : results_) v.real(name, value);
    }
    {
      const StateScope scope(v, "deployed");
      for (const Parameter& p : network_->parameters()) {
        Tensor hard = Tensor::empty(p.value.shape());
        stage_->methods->write_deployed(p, Deployment::hard, hard);
        v.tensor(p.name, hard);
      }
    }
    {
      const StateScope scope(v, "network");
      network_->visit(v);
    }
    const StateScope scope(v, "methods");
    stage_->methods->visit(v);
  });
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void refuse_existing(const RunDirectory& directory) {
  throw config_error(
      Place{directory.path()},
      fmt::format("the directory already holds {} run",
                  directory.finished() ? "a finished" : "an unfinished"),
      "a new directory, or a word on what to do",
      "continue with --resume, start anew with --overwrite, or choose another folder with --out");
}

void refuse_changes(const RunDirectory& directory, const std::string& config) {
  const std::string before = read_text(directory.config_file());
  if (before.empty()) return;
  const auto keys = differing_keys(before, config);
  if (keys.empty()) return;
  throw config_error(
      Place{directory.config_file()},
      fmt::format("the configuration changed since this run began: {}", fmt::join(keys, ", ")),
      "the same values", "restore them, or start anew with --overwrite or --out");
}

// `threads: auto` is resolved once; a resumed run keeps what its record says.
int threads_of(const RunRequest& request, const RunDirectory& directory) {
  if (request.existing == RunRequest::Existing::resume &&
      request.config.text("threads") == "auto") {
    try {
      const auto header = RunReader::open(directory.run_file())->header();
      return std::stoi(header.provenance.at("threads"));
    } catch (const std::exception&) {
      // No readable record: the run starts over.
    }
  }
  return resolve_threads(request.config);
}

void print_results(const RunRequest& request, const std::map<std::string, double>& results,
                   const std::string& run_file) {
  if (request.json) {
    fmt::print("{}\n", summary_json(results, run_file));
  } else if (request.quiet) {
    fmt::print("{}\n", run_file);
  } else {
    fmt::print("{}", summary_table(results, run_file));
  }
}

}  // namespace

void dry_build(const Registries& registries, const Settings& config) {
  const auto dataset =
      registries.datasets.make(config.section("data"), data_root(config.section("data")));
  const auto network = build_network(registries, config, dataset->input());
  for (const Settings& settings : config.sections("stages")) {
    const StageInfo info{
        settings.text("name"), 0, settings.integer("steps"), 1, settings.text("start") == "fresh",
        network.get()};
    const MethodStack methods(make_methods(registries, settings), info);
    registries.optimizers.make(settings.section("optimizer"));
    registries.schedules.make(settings.section("schedule"));
  }
}

int run_experiment(const Registries& registries, const RunRequest& request) {
  const RunDirectory directory(fmt::format("{}/{}/seed-{}", request.out,
                                           request.config.text("experiment"),
                                           request.config.integer("seed")));
  const bool resume = request.existing == RunRequest::Existing::resume;
  const bool show = request.show_finished && request.existing == RunRequest::Existing::refuse &&
                    directory.finished();
  if (directory.exists() && request.existing == RunRequest::Existing::refuse && !show)
    refuse_existing(directory);
  if (resume || show) refuse_changes(directory, request.config_text);
  directory.create();
  const RunLock lock(directory.path());
  if (show || (resume && directory.finished())) {
    if (!request.quiet) fmt::print(stderr, "{} is finished already\n", directory.path());
    print_results(request, RunReader::open(directory.run_file())->results(), directory.run_file());
    return 0;
  }
  const int threads = threads_of(request, directory);
  set_threads(threads);
  catch_stop_signals();

  std::optional<Checkpoint> checkpoint;
  if (resume)
    checkpoint = newest_checkpoint(directory.path(), [](const Error& error) {
      fmt::print(stderr, "{}; an earlier checkpoint is used\n", error.what());
    });
  Run run(registries, request, directory, threads);
  if (checkpoint) {
    run.resume(*checkpoint);
  } else {
    directory.clear();
    write_atomically(directory.config_file(), request.config_text);
  }
  run.train();
  if (run.stopped()) return 128 + stop_signal();
  print_results(request, run.results(), directory.run_file());
  return 0;
}

}  // namespace bitwright
