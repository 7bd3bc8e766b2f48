#include "experiment/run.h"

#include <algorithm>
#include <cmath>
#include <ctime>

#include <fmt/format.h>

#include "experiment/algorithms.h"
#include "experiment/deployed_network.h"
#include "experiment/handed_over.h"
#include "experiment/initial_weights.h"
#include "experiment/provenance.h"
#include "results/file_system.h"
#include "train/network_state.h"

namespace bitwright {

using Clock = std::chrono::steady_clock;

static std::vector<std::size_t> training_images(const Settings& config, const StageData& data) {
  std::vector<std::size_t> counts;
  for (std::size_t i = 0; i < config.sections("stages").size(); ++i)
    counts.push_back(data.of(i).split.train.size());
  return counts;
}

Run::Run(const Registries& registries, const RunRequest& request, RunDirectory directory,
         int threads)
    : registries_(registries),
      request_(request),
      config_(request.config),
      directory_(std::move(directory)),
      threads_(threads),
      data_(registries, config_),
      network_(build_network(registries, config_, data_.of(0).input)),
      plan_(plan_run(registries, config_, *network_, training_images(config_, data_))),
      progress_(request.quiet      ? Progress::Audience::nobody
                : request.in_sweep ? Progress::Audience::sweep
                                   : Progress::Audience::person),
      roll_backs_(config_.section("watchdog")) {
  for (const ResultSlot& slot : RunPlan::results()) results_[slot.name] = NAN;
}

void Run::open_run_file(const Carried& carried) {
  RunHeader header;
  header.experiment = config_.text("experiment");
  header.config = request_.config_text;
  header.seed = config_.integer("seed");
  header.provenance = gather_provenance(request_.command_line, threads_);
  header.provenance.merge(data_.provenance());
  if (has_initial_weights(config_)) header.provenance["init.from"] = initial_weights_hash(config_);
  header.tables = plan_.tables();
  header.results = RunPlan::results();
  header.grids = plan_.grids;
  writer_ = RunWriter::create(directory_.run_file(), header, carried);
  writer_->wallclock("started", static_cast<double>(std::time(nullptr)));
  warn_without_swmr(carried.events);

  const Settings& log = config_.section("log");
  log_ = std::make_unique<RunLog>(
      *writer_, progress_, plan_,
      RunLogOptions{.log_every = log.integer("every"),
                    .flush_every = log.real("flush"),
                    .progress_every = log.real("progress"),
                    .checkpoint_every = config_.section("checkpoint").integer("every"),
                    .stop_after = request_.stop_after},
      [this](std::int64_t run_step) { save(run_step); });
}

void Run::warn_without_swmr(const std::vector<Event>& on_record) {
  const auto system = results::file_system_without_swmr(directory_.path());
  if (!system) return;
  const Event warning{0, "warning",
                      fmt::format("run.h5 is on {}, which does not promise readers its writes in "
                                  "order: until the run has ended, a reader may find the file "
                                  "damaged or old; read it afterwards, or choose a local disk with "
                                  "--out",
                                  *system)};
  const auto same = [&](const Event& event) { return event.message == warning.message; };
  if (std::ranges::any_of(on_record, same)) return;
  writer_->event(warning);
  progress_.say(warning.message);
}

void Run::resume(const Checkpoint& checkpoint, const RunReader& before,
                 const std::vector<std::string>& warnings) {
  set_algorithms(config_, threads_, before.events());
  if (!request_.replay) {
    refuse_other_data(before.header().provenance);
    refuse_other_weights(before.header().provenance);
  }
  restore(checkpoint);
  open_run_file(take_over(before));
  const std::int64_t step = run_step(stage_->work->steps_done());
  for (const std::string& warning : warnings) writer_->event({step, "warning", warning});
  writer_->event({step, "resumed", fmt::format("resumed at step {}", step)});
  progress_.say(fmt::format("resumed at step {} of {}", step, plan_.steps));
  prune();  // a kill may have come between a checkpoint and the removal of the oldest
}

void Run::restore(const Checkpoint& checkpoint) {
  checkpoint.load_scope("position", [this](StateVisitor& v) { visit_position(v); });
  begin_stage();
  checkpoint.load([this](StateVisitor& v) { visit(v); });
}

// What an earlier run file holds up to where this run is.
Carried Run::take_over(const RunReader& before) {
  Carried carried = carried_until(before, run_step(stage_->work->steps_done()));
  on_record_.clear();
  for (const Event& event : carried.events) on_record_.insert(event.message);
  return carried;
}

std::int64_t Run::run_step(std::int64_t stage_step) const {
  return plan_.stages[static_cast<std::size_t>(stage_index_)].steps_before + stage_step;
}

void Run::refuse_other_data(const std::map<std::string, std::string>& provenance) const {
  const auto now = data_.provenance();
  for (const auto& [name, hash] : provenance) {
    if (!name.starts_with("data.")) continue;
    if (const auto at = now.find(name); at != now.end() && at->second == hash) continue;
    throw config_error(config_.section("data").place(),
                       fmt::format("the data changed since this run began: {}", name),
                       fmt::format("what was recorded, {}", hash),
                       "restore it, or start anew with --overwrite or --out");
  }
}

// The configuration, which names the file, is known to be the same; its bytes may be others.
void Run::refuse_other_weights(const std::map<std::string, std::string>& provenance) const {
  const auto recorded = provenance.find("init.from");
  if (recorded == provenance.end() || recorded->second == initial_weights_hash(config_)) return;
  const Settings& init = config_.section("init");
  throw config_error(init.where("from"),
                     fmt::format("'{}' changed since this run began", init.text("from")),
                     fmt::format("the file with SHA-256 {}", recorded->second),
                     "restore it, or start anew with --overwrite or --out");
}

void Run::train() {
  if (!writer_) {
    open_run_file({});
    writer_->event({0, "started", "started"});
  }
  writer_->flush();
  if (request_.trace)
    trace_ = std::make_unique<Trace>(request_.trace->empty() ? directory_.trace_file()
                                                             : *request_.trace);
  while (!stopped_ && stage_index_ < static_cast<std::int64_t>(plan_.stages.size())) {
    try {
      run_stage();
      if (stopped_) break;
      finish_stage();
      ++stage_index_;
    } catch (const Diverged& diverged) {
      if (trace_) progress_.say(trace_->end_stage());
      if (diverged.reaction == Reaction::stop || !roll_back(diverged)) give_up(diverged);
    }
  }
  if (!stopped_) save_final();
  writer_->wallclock("training", training_seconds_);
  writer_->wallclock("total", std::chrono::duration<double>(Clock::now() - start_).count());
  writer_->close(stopped_ ? RunStatus::stopped : RunStatus::finished);
}

void Run::begin_stage() {
  const auto index = static_cast<std::size_t>(stage_index_);
  stage_ = std::make_unique<Stage>(registries_, config_, index, data_.of(index), *network_, left_);
}

const Settings& Run::stage_settings() const {
  return config_.sections("stages")[static_cast<std::size_t>(stage_index_)];
}

void Run::reestimate() { reestimate_batch_norm(stage_settings(), config_, *stage_, *network_); }

void Run::run_stage() {
  if (!stage_) begin_stage();
  say_what_init_left();
  record_algorithms();
  log_->begin_stage(static_cast<std::size_t>(stage_index_), stage_->methods->metrics());
  observe_stage();
  const auto began = Clock::now();
  if (stage_->work->steps_done() == 0)
    calibrate_methods(stage_settings(), config_, data_.of(static_cast<std::size_t>(stage_index_)),
                      *stage_, *network_);
  if (!stage_->optimizer && stage_->work->steps_done() == 0) reestimate();
  stage_->work->scale_learning_rate(roll_backs_.rate(stage_index_));
  stopped_ = !stage_->work->run(*log_);
  training_seconds_ += std::chrono::duration<double>(Clock::now() - began).count();
  if (trace_) progress_.say(trace_->end_stage());
  const std::int64_t step = run_step(stage_->work->steps_done());
  if (const std::string why = stage_->work->ended_early(); !stopped_ && !why.empty()) {
    writer_->event({step, "ended", stage_->name + ": " + why});
    progress_.say(stage_->name + ": " + why);
  }
  if (stopped_) {
    writer_->event({step, "stopped", fmt::format("stopped by a signal at step {}, saved", step)});
    progress_.say(fmt::format("stopped at step {}; state saved in {}; continue with --resume", step,
                              directory_.path()));
  }
}

void Run::observe_stage() {
  observers_ = {};
  if (trace_) observers_.add(trace_->begin_stage(stage_->name));
  if (request_.check_numerics) {
    numerics_ = std::make_unique<NumericsCheck>(*network_, *stage_->methods);
    observers_.add(*numerics_);
  }
  if (plan_.histograms.every > 0) {
    histograms_ = std::make_unique<Histograms>(
        plan_.histogram_names, plan_.histograms, *stage_->methods,
        plan_.stages[static_cast<std::size_t>(stage_index_)].steps_before,
        [this](HistogramOf of, std::int64_t step, const HistogramRecord& record) {
          log_->on_histograms(of, step, record);
        });
    observers_.add(*histograms_);
  }
  if (!observers_.empty()) stage_->work->observe(&observers_);
}

void Run::say_what_init_left() {
  if (stage_->note.empty() || stage_->work->steps_done() > 0) return;
  if (!on_record_.insert(stage_->note).second) return;
  writer_->event({0, "init", stage_->note});
  progress_.say("init: " + stage_->note);
}

// Only now, with training over, are the test images looked at: on the last weights, then on those
// that validation selected, which are also what the next stage starts from.
void Run::finish_stage() {
  {
    const auto averaged = stage_->work->evaluated_weights();
    if (stage_->optimizer) reestimate();
    test("_last");
    if (stage_->hands_over_last) stage_->work->keep();
  }
  const std::string kind = stage_->quantizes ? "hard" : "float";
  results_["selected_step_" + kind] = static_cast<double>(stage_->work->selected_step());
  results_["val_accuracy_" + kind] = stage_->work->selected_accuracy();
  stage_->work->restore_selected();
  if (stage_->optimizer) reestimate();
  test("");
  if (stage_->hands_over_last) stage_->work->restore_kept();
  record_size();
  for (const auto& [name, value] : results_) writer_->result(name, value);
  stage_->methods->leave(left_);
  stage_->methods->hand_over();
  const bool last = stage_index_ + 1 == static_cast<std::int64_t>(plan_.stages.size());
  if (!last) stage_.reset();
}

// What the stage's steps, and later its test, are computed by. A resumed run has it on record.
void Run::record_algorithms() {
  const std::int64_t step = run_step(stage_->work->steps_done());
  for (const Event& event : algorithm_events(step, algorithms_seen_))
    if (on_record_.insert(event.message).second) writer_->event(event);
}

void Run::test(const std::string& suffix) {
  const auto evaluator = test_evaluator(config_, data_.of(static_cast<std::size_t>(stage_index_)),
                                        *network_, *stage_->methods);
  record_algorithms();
  if (stage_->quantizes) {
    results_["test_accuracy_soft" + suffix] = evaluator->run(Deployment::soft).accuracy;
    results_["test_accuracy_hard" + suffix] = evaluator->run(Deployment::hard).accuracy;
  } else {
    results_["test_accuracy_float" + suffix] = evaluator->run(Deployment::hard).accuracy;
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
  results_["size_stored"] = static_cast<double>(payload_bytes(*network_, *stage_->methods));
}

// Which stage it is, and what it was given: to be known before the stage can be built.
void Run::visit_position(StateVisitor& visitor) {
  visitor.integer("stage", stage_index_);
  std::string left = handed_over_text(left_);
  visitor.text("handed_over", left);
  left_ = handed_over_from(left);
  roll_backs_.visit(visitor);
}

void Run::visit(StateVisitor& visitor) {
  {
    const StateScope scope(visitor, "position");
    visit_position(visitor);
  }
  {
    const StateScope scope(visitor, "results");
    for (auto& [name, value] : results_) visitor.real(name, value);
  }
  const StateScope scope(visitor, "stage");
  stage_->work->visit(visitor);
}

void Run::save(std::int64_t run_step) {
  save_checkpoint(directory_.path() + "/" + checkpoint_name(run_step),
                  [this](StateVisitor& v) { visit(v); });
  prune();
}

void Run::prune() {
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
    visit_network(*network_, *stage_->methods, v);
  });
}

}  // namespace bitwright
