#pragma once
// Child processes that a test starts, and errors as a test sees them.

#include <functional>
#include <string>
#include <utility>

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bitwright/core/error.h>

namespace bitwright::testing {

/// Starts a child process that ends with the status `body` returns, or 99 when it throws.
inline pid_t start_child(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child != 0) return child;
  int status = 99;
  try {
    status = body();
  } catch (...) {
  }
  _exit(status);
}

/// Waits for a child; its exit status, or minus the signal that ended it.
inline int wait_for(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

inline int in_child(const std::function<int()>& body) { return wait_for(start_child(body)); }

/// The line and status that `action` fails with; status 0 when it does not fail.
inline std::pair<std::string, int> failure(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return {error.what(), static_cast<int>(error.status())};
  }
  return {"", 0};
}

/// A failure of storage, in one line that contains `part`.
inline void check_line(const std::pair<std::string, int>& got, const std::string& part) {
  CAPTURE(got.first);
  CHECK(got.second == 5);
  CHECK(got.first.find(part) != std::string::npos);
  CHECK(got.first.find('\n') == std::string::npos);
}

}  // namespace bitwright::testing
