// Names of checkpoints and how files reach the disk.

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <bitwright/results/checkpoint.h>

#include "results/folder.h"

namespace bitwright {

std::string checkpoint_name(std::int64_t step) { return fmt::format("checkpoint-{:08}.h5", step); }

std::optional<std::int64_t> checkpoint_step(std::string_view name) {
  constexpr std::string_view before = "checkpoint-", after = ".h5";
  if (!name.starts_with(before) || !name.ends_with(after)) return std::nullopt;
  if (name.size() <= before.size() + after.size()) return std::nullopt;
  const char* begin = name.data() + before.size();
  const char* end = name.data() + name.size() - after.size();
  std::int64_t step = 0;
  const auto [stop, error] = std::from_chars(begin, end, step);
  if (error != std::errc() || stop != end || step < 0) return std::nullopt;
  return step;
}

std::vector<std::string> list_checkpoints(const std::string& folder) {
  std::vector<std::pair<std::int64_t, std::string>> found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
    if (const auto step = checkpoint_step(entry.path().filename().string()))
      found.emplace_back(*step, entry.path().string());
  std::sort(found.rbegin(), found.rend());
  std::vector<std::string> paths;
  for (auto& [step, path] : found) paths.push_back(std::move(path));
  return paths;
}

std::optional<Checkpoint> newest_checkpoint(const std::string& folder,
                                            const std::function<void(const Error&)>& unusable) {
  for (const std::string& path : list_checkpoints(folder)) {
    try {
      return Checkpoint::open(path);
    } catch (const Error& error) {
      unusable(error);
    }
  }
  return std::nullopt;
}

void set_aside(const std::string& path) {
  std::error_code ignored;  // it is not whole, and so it is not used
  std::filesystem::rename(path, path + ".unusable", ignored);
}

void prune_checkpoints(const std::string& folder, int keep) {
  const auto paths = list_checkpoints(folder);
  std::error_code ignored;  // one too many does no harm
  for (std::size_t i = static_cast<std::size_t>(std::max(keep, 1)); i < paths.size(); ++i)
    std::filesystem::remove(paths[i], ignored);
}

static void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw std::system_error(errno, std::generic_category());
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  if (fsync(fd) != 0) throw std::system_error(errno, std::generic_category());
}

void write_atomically(const std::string& path, std::string_view bytes) {
  results::TemporaryFile temporary(results::temporary_name(path));
  const int fd = ::open(temporary.path().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) throw results::system_error(path, "cannot write", errno);
  try {
    write_all(fd, bytes);
  } catch (const std::system_error& error) {
    ::close(fd);
    throw results::system_error(path, "cannot write", error.code().value());
  }
  // Some file systems report a full disk only here.
  if (::close(fd) != 0) throw results::system_error(path, "cannot write", errno);
  results::rename_durably(temporary.path(), path);
  temporary.keep();
}

}  // namespace bitwright
