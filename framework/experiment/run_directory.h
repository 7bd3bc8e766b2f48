#pragma once
// The folder of one run: run.h5, config.yaml, checkpoints.

#include <map>
#include <string>
#include <vector>

namespace bitwright {

class RunDirectory {
 public:
  explicit RunDirectory(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::string run_file() const { return path_ + "/run.h5"; }
  std::string config_file() const { return path_ + "/config.yaml"; }
  std::string trace_file() const { return path_ + "/trace.json"; }
  std::string final_checkpoint() const { return path_ + "/checkpoint-final.h5"; }
  /// The state in which training was stopped because it diverged; nothing resumes from it.
  std::string diverged_checkpoint() const { return path_ + "/checkpoint-diverged.h5"; }

  bool exists() const;    ///< holds anything of a run
  bool finished() const;  ///< its run file says so; false also when it cannot be read
  [[noreturn]] void refuse_existing() const;  ///< the configuration error of a run that is there
  /// Throws a configuration error where the record says other values than `config`, as far as they
  /// change the numbers.
  void refuse_changes(const std::string& config) const;
  void create() const;  ///< throws a storage error
  void clear() const;   ///< removes what runs write, nothing else

 private:
  std::string path_;
};

/// The leaves of a resolved configuration (YAML text) by flattened key: "stages.0.steps".
std::map<std::string, std::string> config_leaves(const std::string& config);

/// Those of them whose change would change the numbers of a run.
std::map<std::string, std::string> number_deciding_leaves(const std::string& config);

/// The keys whose difference changes the numbers of a run, given two resolved configurations as
/// YAML text. Storage, logging and descriptions do not count.
std::vector<std::string> differing_keys(const std::string& before, const std::string& after);

}  // namespace bitwright
