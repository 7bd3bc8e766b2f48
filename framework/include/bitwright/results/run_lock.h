#pragma once
// One run at a time in a run directory.

#include <string>

namespace bitwright {

/// Holds DIR/run.lock for as long as it lives; the system gives it back when the process ends,
/// however it ends. The file stays. Taking the lock removes what a killed run had left
/// half-written.
class RunLock {
 public:
  /// Throws a storage error when another run holds it for longer than `patience` seconds (and names
  /// its process), or when the folder cannot be written.
  explicit RunLock(const std::string& folder, double patience = 0);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  int fd_ = -1;
};

}  // namespace bitwright
