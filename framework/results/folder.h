#pragma once
// Names and durability in a run directory. Failures are storage errors that carry the system's
// message.

#include <string>
#include <string_view>

#include <bitwright/core/error.h>

namespace bitwright::results {

/// "DIR/.NAME.PID" for "DIR/NAME": where a file is written before it takes its name.
std::string temporary_name(const std::string& path);

/// Forces a file's content to the disk.
void sync_file(const std::string& path);

/// Renames `from` to `to` (replacing it) and forces the folder to the disk.
void rename_durably(const std::string& from, const std::string& to);

/// The system's message for errno.
std::string system_message(int error);

/// What to do about it, in the words of an error's last part; "" where there is nothing to say.
std::string_view remedy(int error);

/// "WHAT: MESSAGE; REMEDY" of a file or folder that should be written.
Error system_error(const std::string& path, std::string_view what, int error);

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
