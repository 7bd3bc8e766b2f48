#pragma once
// Where the time of a training step goes.

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "train/step_observer.h"

namespace bitwright {

/// Durations of something that happens again and again: their sum, and the latest few.
class Durations {
 public:
  void add(double milliseconds);
  double median() const;  ///< of the latest ones, in ms; 0 when there are none
  double total() const { return total_; }
  std::int64_t count() const { return count_; }

 private:
  static constexpr std::size_t kKept = 512;
  std::vector<float> latest_;
  double total_ = 0;
  std::int64_t count_ = 0;
};

/// Times the ops and phases of the steps that it observes, by the wall clock, one by one as they
/// run. Ops of evaluations between steps are left out.
class StepProfile final : public StepObserver {
 public:
  using Clock = std::chrono::steady_clock;

  /// One stretch of time: an op of the tape, a phase, or a whole step.
  struct Span {
    enum class Kind { op, phase, step } kind;
    std::size_t node;      ///< of an op: index into ops()
    Pass pass;             ///< of an op
    Phase phase;           ///< of a phase
    std::int64_t at_step;  ///< of the stage, from 0
    Clock::time_point begin, end;
  };
  struct OpTimes {
    std::string layer, name;
    Durations forward, backward;
  };

  /// Spans are kept of the first `kept_steps` steps, medians of all.
  explicit StepProfile(std::int64_t kept_steps = 0) : kept_steps_(kept_steps) {}

  const std::vector<OpTimes>& ops() const { return ops_; }  ///< in the order of the tape
  const Durations& steps() const { return steps_; }
  const Durations& phase(Phase phase) const { return phases_[index(phase)]; }  ///< per step
  /// What a step would take without anything between its ops, in ms: the sum of the medians of all
  /// ops, both passes, and of the optimizer.
  double floor() const;
  const std::vector<Span>& spans() const { return spans_; }

  void step_begins(const StepInfo& info) override;
  void step_ends() override;
  void enter(Phase phase) override;
  void leave(Phase phase) override;
  void before(const Event& event) override;
  void after(const Event& event) override;

 private:
  static constexpr std::size_t kPhases = 5;
  static std::size_t index(Phase phase) { return static_cast<std::size_t>(phase); }
  bool keeps() const { return steps_.count() < kept_steps_; }

  const std::int64_t kept_steps_;
  std::vector<OpTimes> ops_;
  Durations steps_;
  std::array<Durations, kPhases> phases_;
  std::array<double, kPhases> in_this_step_{};
  std::vector<Span> spans_;
  std::int64_t step_ = 0;
  bool evaluating_ = false;
  Clock::time_point step_began_, phase_began_, op_began_;
};

}  // namespace bitwright
