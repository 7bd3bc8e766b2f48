#include "results/folder.h"

#include <cerrno>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace bitwright::results {

std::string system_message(int error) { return std::generic_category().message(error); }

std::string_view remedy(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return "make room there; a run goes on with --resume";
    case EIO:
      return "check the disk, of which the system's log says more; a run goes on with --resume";
    case EROFS:
    case EACCES:
    case EPERM:
      return "choose a folder that can be written, for runs with --out";
    default:
      return {};
  }
}

Error system_error(const std::string& path, std::string_view what, int error) {
  return storage_error(path, fmt::format("{}: {}", what, system_message(error)), {}, remedy(error));
}

std::string temporary_name(const std::string& path) {
  const std::filesystem::path whole(path);
  const std::string name = fmt::format(".{}.{}", whole.filename().string(), getpid());
  return (whole.parent_path() / name).string();
}

static void sync_path(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) throw system_error(path, "cannot open", errno);
  const int result = fsync(fd);
  const int error = errno;
  ::close(fd);
  // Some file systems have no fsync for folders and say EINVAL.
  if (result != 0 && error != EINVAL) throw system_error(path, "cannot force to the disk", error);
}

void sync_file(const std::string& path) { sync_path(path, O_RDONLY); }

void rename_durably(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0)
    throw system_error(to, "cannot put the file in place", errno);
  const auto folder = std::filesystem::path(to).parent_path();
  sync_path(folder.empty() ? "." : folder.string(), O_RDONLY | O_DIRECTORY);
}

TemporaryFile::~TemporaryFile() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

}  // namespace bitwright::results
