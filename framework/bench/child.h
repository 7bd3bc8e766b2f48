#pragma once
// Child processes: each measurement has one of its own, so that memory and environment are clean.

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace bitwright::bench {

/// A child that failed, with what it said about it; the program ends as the child did.
class ChildFailed : public std::runtime_error {
 public:
  ChildFailed(const std::string& message, int status)
      : std::runtime_error(message), status(status) {}
  int status;
};

/// Runs a program, its name looked up in PATH, and returns its standard output. `environment` is
/// added to this process's; an empty value removes a variable. Throws ChildFailed when the program
/// cannot be started, ends with a status other than 0, or by a signal.
std::string run_child(const std::vector<std::string>& command,
                      const std::map<std::string, std::string>& environment = {});

}  // namespace bitwright::bench
