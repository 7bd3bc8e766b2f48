#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include "data/image_file.h"

namespace bitwright {

namespace fs = std::filesystem;

namespace {

// Held by the process that looks into a cache file or makes it. Where the file system knows no
// locks, several may make the same file, each under a name of its own.
class Lock {
 public:
  explicit Lock(const std::string& path)
      : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
    held_ = fd_ >= 0 && flock(fd_, LOCK_EX) == 0;
  }
  ~Lock() {
    if (fd_ >= 0) ::close(fd_);
  }
  Lock(const Lock&) = delete;
  bool held() const { return held_; }

 private:
  int fd_;
  bool held_ = false;
};

// What killed processes left; nobody else writes while the lock is held.
void remove_leftovers(const fs::path& file) {
  const std::string prefix = file.filename().string() + ".tmp-";
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(file.parent_path(), ignored))
    if (entry.path().filename().string().starts_with(prefix)) fs::remove(entry.path(), ignored);
}

}  // namespace

CachedImages cached_images(const std::string& file, const std::string& source,
                           const std::function<ImagePlan()>& plan, bool anew) {
  const auto found = [&] { return anew ? std::nullopt : open_image_file(file, source); };
  if (auto images = found()) return *std::move(images);
  std::error_code error;
  fs::create_directories(fs::path(file).parent_path(), error);
  if (error)
    throw storage_error(fs::path(file).parent_path().string(),
                        "the cache folder cannot be made: " + error.message(),
                        "a folder that can be written", "set data.cache=DIR to another folder");
  const Lock lock(file + ".lock");
  if (auto images = found()) return *std::move(images);  // made meanwhile
  if (lock.held()) remove_leftovers(file);
  write_image_file(file, source, plan());
  auto made = open_image_file(file, source);
  if (!made)
    throw storage_error(file, "the image cache does not read back as it was written",
                        "sound storage", "set data.cache=DIR to another folder");
  made->made = true;
  return *std::move(made);
}

}  // namespace bitwright
