#pragma once
// What a person sees while a run trains: one live line on a terminal, a few plain lines elsewhere.
// A run that is a cell of a sweep tells the sweep instead.

#include <chrono>
#include <cstdint>
#include <string>

namespace bitwright {

struct ProgressState {
  std::string stage;
  std::int64_t stage_step = 0, stage_steps = 0;  ///< updates done and planned, this stage
  std::int64_t run_step = 0, run_steps = 0;      ///< the same for all stages
  std::int64_t epoch = 0;
  double loss = 0;                  ///< running mean
  double validation_accuracy = -1;  ///< of the deployed network; negative: not yet known
};

/// Begins a line that is no message but where a cell stands.
inline constexpr char progress_mark = '\x1e';

class Progress {
 public:
  enum class Audience { nobody, person, sweep };

  explicit Progress(Audience audience);
  ~Progress();
  /// Called every step; writes at most a few times a second, or every tenth of a stage.
  void update(const ProgressState& state);
  /// A line of its own, unless nobody looks.
  void say(const std::string& line);
  /// The same for what is said in any case, a warning.
  void warn(const std::string& line);

 private:
  std::string line(const ProgressState& state) const;
  void clear();

  using Clock = std::chrono::steady_clock;
  const Audience audience_;
  const bool terminal_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point written_{};
  std::int64_t first_step_ = -1;  // of the run, when this process began
  std::int64_t tenth_ = -1;
  std::string stage_;
  bool live_ = false;  // the cursor stands on a live line
};

}  // namespace bitwright
