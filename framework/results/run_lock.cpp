#include <cerrno>
#include <chrono>
#include <filesystem>
#include <regex>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <bitwright/core/error.h>
#include <bitwright/results/run_lock.h>

#include "results/folder.h"

namespace bitwright {

static std::string holder_of(int fd) {
  char text[64] = {};
  const ssize_t bytes = pread(fd, text, sizeof text - 1, 0);
  std::string holder(text, bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
  while (!holder.empty() && holder.back() == '\n') holder.pop_back();
  return holder.empty() ? "another process" : holder;
}

/// Files that carry results::temporary_name: their writers are dead, or we would not have the lock.
static void remove_leftovers(const std::string& folder) {
  static const std::regex temporary(R"(\.(run|checkpoint-\d+)\.h5\.\d+)");
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
    if (std::regex_match(entry.path().filename().string(), temporary))
      std::filesystem::remove(entry.path(), ignored);
}

/// Like flock() without waiting, tried again until `patience` seconds are over.
static bool lock(int fd, double patience) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(patience);
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK || Clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return true;
}

RunLock::RunLock(const std::string& folder, double patience) {
  const std::string path = (std::filesystem::path(folder) / "run.lock").string();
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0) throw results::system_error(folder, "cannot write here", errno);
  if (!lock(fd_, patience)) {
    const int error = errno;
    const std::string holder = holder_of(fd_);
    ::close(std::exchange(fd_, -1));
    if (error != EWOULDBLOCK)
      throw storage_error(path, "cannot lock: " + results::system_message(error),
                          "a file system with file locks");
    throw storage_error(folder, fmt::format("another run is at work here ({})", holder),
                        "one run at a time in a folder", "wait for it, or use --out");
  }
  const std::string self = fmt::format("process {}\n", getpid());
  if (ftruncate(fd_, 0) != 0 || pwrite(fd_, self.data(), self.size(), 0) < 0) {
    // Only the message to a second run suffers.
  }
  remove_leftovers(folder);
}

RunLock::~RunLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace bitwright
