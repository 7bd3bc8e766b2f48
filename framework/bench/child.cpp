#include "bench/child.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bitwright::bench {
namespace {

// Two pipes, for what the child writes on its standard output and standard error.
struct Pipes {
  std::array<int, 2> out{-1, -1}, err{-1, -1};

  Pipes() {
    if (pipe2(out.data(), O_CLOEXEC) != 0 || pipe2(err.data(), O_CLOEXEC) != 0)
      throw ChildFailed(fmt::format("bitwright: error: no pipe: {}", std::strerror(errno)), 1);
  }
  ~Pipes() {
    for (int* end : {&out[0], &out[1], &err[0], &err[1]}) shut(*end);
  }
  Pipes(const Pipes&) = delete;
  Pipes& operator=(const Pipes&) = delete;

  static void shut(int& end) {
    if (end >= 0) close(end);
    end = -1;
  }
};

std::vector<std::string> merged_environment(const std::map<std::string, std::string>& changes) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!changes.contains(text.substr(0, text.find('=')))) all.push_back(text);
  }
  for (const auto& [name, value] : changes)
    if (!value.empty()) all.push_back(fmt::format("{}={}", name, value));
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> list;
  for (std::string& word : words) list.push_back(word.data());
  list.push_back(nullptr);
  return list;
}

pid_t start(std::vector<std::string> words, std::vector<std::string> environment,
            const Pipes& pipes) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, pipes.out[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, pipes.err[1], STDERR_FILENO);
  pid_t child = -1;
  const int failed = posix_spawnp(&child, words[0].c_str(), &actions, nullptr,
                                  pointers(words).data(), pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0)
    throw ChildFailed(
        fmt::format("{}: error: cannot be started: {}", words[0], std::strerror(failed)), 2);
  return child;
}

// Appends what is there; false at the end.
bool read_some(int from, std::string& text) {
  std::array<char, 4096> buffer;
  const ssize_t n = read(from, buffer.data(), buffer.size());
  if (n > 0) text.append(buffer.data(), static_cast<std::size_t>(n));
  return n > 0 || (n < 0 && errno == EINTR);
}

}  // namespace

std::string run_child(const std::vector<std::string>& command,
                      const std::map<std::string, std::string>& environment) {
  Pipes pipes;
  const pid_t child = start(command, merged_environment(environment), pipes);
  Pipes::shut(pipes.out[1]);
  Pipes::shut(pipes.err[1]);
  std::string out, err;
  while (pipes.out[0] >= 0 || pipes.err[0] >= 0) {
    std::array<pollfd, 2> ends{{{pipes.out[0], POLLIN, 0}, {pipes.err[0], POLLIN, 0}}};
    if (poll(ends.data(), ends.size(), -1) < 0) continue;  // a signal
    if (ends[0].revents != 0 && !read_some(pipes.out[0], out)) Pipes::shut(pipes.out[0]);
    if (ends[1].revents != 0 && !read_some(pipes.err[0], err)) Pipes::shut(pipes.err[0]);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
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
