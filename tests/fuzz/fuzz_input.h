#pragma once
// What fuzz targets share. A target defines LLVMFuzzerTestOneInput; whatever it throws that is not
// a data error is a finding, as is every report of a sanitizer.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <sys/mman.h>
#include <unistd.h>

#include <bitwright/core/error.h>
#include <bitwright/data/byte_stream.h>

namespace bitwright::fuzz {

/// The input as a stream; short reads are legal only at its end.
class MemoryStream : public ByteStream {
 public:
  MemoryStream(const std::uint8_t* data, std::size_t size)
      : ByteStream("input"), data_(data), left_(size) {}
  std::size_t read(void* to, std::size_t bytes) override {
    const std::size_t got = std::min(bytes, left_);
    if (got > 0) std::memcpy(to, data_, got);
    data_ += got;
    left_ -= got;
    return got;
  }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

/// The input as a file, for readers that want a path.
class MemoryFile {
 public:
  MemoryFile(const std::uint8_t* data, std::size_t size) : file_(memfd_create("input", 0)) {
    if (file_ < 0 || write(file_, data, size) != static_cast<ssize_t>(size)) std::abort();
    path_ = "/proc/self/fd/" + std::to_string(file_);
  }
  ~MemoryFile() { close(file_); }
  const std::string& path() const { return path_; }

 private:
  int file_;
  std::string path_;
};

/// A property that must hold whatever the input is.
inline void expect(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "fuzz: does not hold: %s\n", what);
  std::abort();
}

/// Runs a reader; data errors of one line are how it may fail.
template <class Action>
void may_refuse(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    expect(error.status() == ExitStatus::data, "errors are data errors");
    expect(std::strchr(error.what(), '\n') == nullptr, "errors are one line");
  }
}

}  // namespace bitwright::fuzz
