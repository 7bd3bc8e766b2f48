#include "bench/child.h"

#include <array>

#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>

#include "core/child_process.h"

namespace bitwright::bench {

static ChildProcess start(const std::vector<std::string>& command,
                          const std::map<std::string, std::string>& environment) {
  try {
    return ChildProcess(command, environment);
  } catch (const std::runtime_error& error) {
    throw ChildFailed(fmt::format("bitwright: error: {}", error.what()), 2);
  }
}

std::string run_child(const std::vector<std::string>& command,
                      const std::map<std::string, std::string>& environment) {
  ChildProcess child = start(command, environment);
  std::string out, err;
  while (!child.closed()) {
    std::array<pollfd, 2> ends{{{child.out(), POLLIN, 0}, {child.err(), POLLIN, 0}}};
    if (poll(ends.data(), ends.size(), -1) < 0) continue;  // a signal
    if (ends[0].revents != 0) child.read_out(out);
    if (ends[1].revents != 0) child.read_err(err);
  }
  const int status = child.wait();
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return out;
  while (!err.empty() && err.back() == '\n') err.pop_back();
  if (WIFSIGNALED(status))
    throw ChildFailed(
        fmt::format("{}: error: ended by signal {}; {}", command[0], WTERMSIG(status), err),
        128 + WTERMSIG(status));
  throw ChildFailed(
      err.empty() ? fmt::format("{}: error: exit status {}", command[0], WEXITSTATUS(status)) : err,
      WEXITSTATUS(status));
}

}  // namespace bitwright::bench
