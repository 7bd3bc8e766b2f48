#pragma once
// Several runs, each a process of its own, so that none can harm another.

#include <map>
#include <string>
#include <vector>

#include "experiment/runner.h"

namespace bitwright {

/// One of the runs: a file, or a cell of its sweep.
struct SweepJob {
  std::string file;
  std::string cell;                     ///< as --cell names it; empty: the file has no sweep
  std::string name;                     ///< for people; unique
  std::string directory;                ///< of the run
  std::string config_text;              ///< resolved, as YAML
  std::vector<std::string> words = {};  ///< overrides and options of this run alone
};

struct SweepRequest {
  std::vector<std::string> words;  ///< that every run is given beside its file: overrides, options
  RunRequest::Existing existing = RunRequest::Existing::refuse;
  bool show_finished = false, quiet = false, json = false;
  bool results = true;  ///< printed at the end
  int at_once = 1;
};

/// Runs all of them, so many at once, in order. A finished one is not repeated when resuming. One
/// that fails does not stop the others; what failed is said at the end. Returns 0, the exit status
/// of the first that failed (128 + signal when a signal ended it), or 128 + signal when a signal
/// stopped this process after all had saved. Throws a configuration error, before anything is
/// written, for runs that are there already or share a directory.
int run_sweep(const std::vector<SweepJob>& jobs, const SweepRequest& request);

}  // namespace bitwright
