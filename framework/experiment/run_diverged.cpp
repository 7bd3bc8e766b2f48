// What a run does when its training went wrong: back to a checkpoint, or stop.
#include <cmath>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "experiment/run.h"
#include "train/watchdog.h"

namespace bitwright {

// Nothing of values that are wrong may reach what is built next.
void Run::forget_network() {
  stage_.reset();
  network_ = build_network(registries_, config_, data_.of(0).input);
}

// As the process began, but for data, which stay.
void Run::start_over() {
  stage_index_ = 0;
  left_.clear();
  for (auto& [name, value] : results_) value = NAN;
  forget_network();
  begin_stage();
}

// The newest checkpoint whose network is finite. One that is not was written before the fault was
// seen, and would only lead to it again: it goes, so that a resumed run does not meet it either.
void Run::restore_healthy_checkpoint() {
  for (const std::string& path : list_checkpoints(directory_.path())) {
    std::optional<Checkpoint> checkpoint;
    try {
      checkpoint = Checkpoint::open(path);
    } catch (const Error& damaged) {
      progress_.warn(fmt::format("{}; an earlier checkpoint is used", damaged.what()));
      set_aside(path);
      continue;
    }
    forget_network();
    restore(*checkpoint);
    if (state_is_finite(*network_, *stage_->methods)) return;
    std::filesystem::remove(path);
  }
  start_over();
}

// The run file, too, goes back to the checkpoint, as if the run were resumed from there. The
// checkpoint is written anew, so that it knows of the smaller rate. A kill in between costs
// nothing: the checkpoint as it was leads to the same fault, and here again.
bool Run::roll_back(const Diverged& diverged) {
  if (request_.replay || roll_backs_.used_up(stage_index_)) return false;
  const std::string what = fmt::format("{}: {}", stage_->name, diverged.what());
  const std::int64_t stage = stage_index_;
  RollBacks roll_backs = roll_backs_;
  roll_backs.add(stage);
  writer_->flush(true);
  log_.reset();
  writer_.reset();
  restore_healthy_checkpoint();
  roll_backs_ = roll_backs;
  algorithms_seen_ = 0;  // what was on record may have gone
  const std::int64_t step = run_step(stage_->work->steps_done());
  open_run_file(take_over(*RunReader::open(directory_.run_file())));
  const std::string text =
      fmt::format("{}; back to step {} with {:.4g} times the learning rate ({} of {})", what, step,
                  roll_backs_.rate(stage), roll_backs_.count(stage), roll_backs_.most());
  // A run that was killed here may have said so already.
  if (on_record_.insert(text).second) writer_->event({step, "rolled_back", text});
  progress_.warn("bitwright: warning: " + text);
  writer_->flush(true);
  save(step);
  return true;
}

static const char* expectation(Fault fault) {
  switch (fault) {
    case Fault::non_finite:
      return "finite values";
    case Fault::divergence:
      return "a loss that stays near its best";
    case Fault::zero_scale:
      return "a scale above 0";
    case Fault::zero_layer:
      return "weights that are not all 0";
  }
  return "";
}

void Run::give_up(const Diverged& diverged) {
  const std::string what = fmt::format("{}: {}", stage_->name, diverged.what());
  writer_->event({run_step(diverged.step), "diverged", what});
  writer_->close(RunStatus::failed);
  std::string remedy =
      fmt::format("lower the learning rate, or see 'watchdog.{}'; the last checkpoint is kept",
                  name_of(diverged.fault));
  try {
    save_checkpoint(directory_.diverged_checkpoint(), [this](StateVisitor& v) { visit(v); });
    remedy += ", the state as it is now is in " + directory_.diverged_checkpoint();
  } catch (const Error& unsaved) {
    progress_.warn(unsaved.what());
  }
  throw Error(ExitStatus::diverged, Place{directory_.run_file()}, what, expectation(diverged.fault),
              remedy);
}

}  // namespace bitwright
