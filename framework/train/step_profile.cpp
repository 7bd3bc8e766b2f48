#include "train/step_profile.h"

#include <algorithm>

namespace bitwright {

static double milliseconds(StepProfile::Clock::duration d) {
  return std::chrono::duration<double, std::milli>(d).count();
}

void Durations::add(double ms) {
  const auto duration = static_cast<float>(ms);
  if (latest_.size() < kKept)
    latest_.push_back(duration);
  else
    latest_[static_cast<std::size_t>(count_) % kKept] = duration;
  total_ += ms;
  ++count_;
}

double Durations::median() const {
  if (latest_.empty()) return 0;
  std::vector<float> sorted = latest_;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t n = sorted.size();
  return 0.5 * (static_cast<double>(sorted[(n - 1) / 2]) + static_cast<double>(sorted[n / 2]));
}

double StepProfile::floor() const {
  double sum = phase(Phase::optimizer).median();
  const std::int64_t steps = std::max<std::int64_t>(1, steps_.count());
  for (const OpTimes& op : ops_) {
    const auto batches = static_cast<double>(op.forward.count() / steps);  // of one update
    sum += batches * (op.forward.median() + op.backward.median());
  }
  return sum;
}

void StepProfile::step_begins(const StepInfo& info) {
  step_ = info.step;
  in_this_step_.fill(0);
  step_began_ = Clock::now();
}

void StepProfile::step_ends() {
  const Clock::time_point now = Clock::now();
  if (keeps()) spans_.push_back({Span::Kind::step, 0, {}, {}, step_, step_began_, now});
  for (const Phase phase : {Phase::batch, Phase::methods, Phase::tape, Phase::optimizer})
    phases_[index(phase)].add(in_this_step_[index(phase)]);
  steps_.add(milliseconds(now - step_began_));
}

void StepProfile::enter(Phase phase) {
  evaluating_ = phase == Phase::evaluation;
  phase_began_ = Clock::now();
}

void StepProfile::leave(Phase phase) {
  const Clock::time_point now = Clock::now();
  const double ms = milliseconds(now - phase_began_);
  evaluating_ = false;
  if (keeps()) spans_.push_back({Span::Kind::phase, 0, {}, phase, step_, phase_began_, now});
  if (phase == Phase::evaluation)
    phases_[index(phase)].add(ms);
  else
    in_this_step_[index(phase)] += ms;
}

void StepProfile::before(const Event& event) {
  if (evaluating_) return;
  while (ops_.size() <= event.node)
    ops_.push_back(
        {event.tape.label(ops_.size()), std::string(event.tape.op(ops_.size()).name()), {}, {}});
  op_began_ = Clock::now();
}

void StepProfile::after(const Event& event) {
  if (evaluating_) return;
  const Clock::time_point now = Clock::now();
  OpTimes& op = ops_[event.node];
  (event.pass == Pass::forward ? op.forward : op.backward).add(milliseconds(now - op_began_));
  if (keeps())
    spans_.push_back({Span::Kind::op, event.node, event.pass, Phase::tape, step_, op_began_, now});
}

}  // namespace bitwright
