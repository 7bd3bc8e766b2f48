#pragma once
// `run --trace`: where the time of training steps goes, as a table and as a Chrome trace.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "train/step_profile.h"

namespace bitwright {

/// Collects one profile per stage. The trace file is JSON as chrome://tracing and Perfetto read it,
/// one process per stage; it holds the first kStepsInFile steps of each stage, the tables all.
class Trace {
 public:
  static constexpr std::int64_t kStepsInFile = 100;

  /// Makes the file at once, so that one that cannot be written is known before training: throws
  /// a storage error.
  explicit Trace(std::string file);

  /// Who is to follow the stage.
  StepObserver& begin_stage(const std::string& name);
  /// Writes the file, with all stages so far, and returns the table of the last one. Throws a
  /// storage error.
  std::string end_stage() const;

 private:
  struct Stage {
    std::string name;
    std::unique_ptr<StepProfile> profile;
  };
  void write() const;

  const std::string file_;
  const StepProfile::Clock::time_point start_ = StepProfile::Clock::now();
  std::vector<Stage> stages_;
};

/// Times per op and layer, their sum (the floor), and what the rest of the step is spent on. `what`
/// was profiled.
std::string profile_table(const std::string& what, const StepProfile& profile);

}  // namespace bitwright
