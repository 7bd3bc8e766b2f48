#pragma once
// Names and durability in a run directory. Failures are storage errors that carry the system's
// message.

#include <string>

namespace bitwright::results {

/// "DIR/.NAME.PID" for "DIR/NAME": where a file is written before it takes its name.
std::string temporary_name(const std::string& path);

/// Forces a file's content to the disk.
void sync_file(const std::string& path);

/// Renames `from` to `to` (replacing it) and forces the folder to the disk.
void rename_durably(const std::string& from, const std::string& to);

/// The system's message for errno.
std::string system_message(int error);

/// Removes a file when it goes out of scope, unless told to keep it.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string path) : path_(std::move(path)) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile();
  const std::string& path() const { return path_; }
  void keep() { path_.clear(); }

 private:
  std::string path_;
};

}  // namespace bitwright::results
