#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>

#include <fmt/format.h>
#include <zlib.h>

#include <bitwright/core/error.h>
#include <bitwright/data/byte_stream.h>

#include "data/gunzip.h"

namespace bitwright {

namespace {

constexpr const char* fetch_again = "fetch the file again from the official source";

class FileStream : public ByteStream {
 public:
  explicit FileStream(const std::string& path)
      : ByteStream(path), file_(std::fopen(path.c_str(), "rb"), &std::fclose) {
    if (!file_)
      throw data_error(path, fmt::format("cannot be opened ({})", std::strerror(errno)),
                       "a readable file", "check that it is there and its permissions");
  }

  std::size_t read(void* to, std::size_t bytes) override {
    const std::size_t got = std::fread(to, 1, bytes, file_.get());
    if (got < bytes && std::ferror(file_.get()))
      throw data_error(name(), fmt::format("cannot be read ({})", std::strerror(errno)),
                       "a readable file", "check that it is a file, and the disk");
    return got;
  }

 private:
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

// Gzip members one after the other, as gzip itself reads them.
class GzipStream : public ByteStream {
 public:
  explicit GzipStream(std::unique_ptr<ByteStream> packed)
      : ByteStream(packed->name()), packed_(std::move(packed)) {
    if (inflateInit2(&state_, 15 + 16) != Z_OK) throw std::bad_alloc();  // 16: gzip wrapper
  }
  ~GzipStream() override { inflateEnd(&state_); }

  std::size_t read(void* to, std::size_t bytes) override {
    state_.next_out = static_cast<Bytef*>(to);
    std::size_t left = bytes;
    while (left > 0 && !ended_) {
      if (state_.avail_in == 0) refill();
      if (ended_) break;
      const auto room = static_cast<uInt>(std::min<std::size_t>(left, 1 << 30));
      state_.avail_out = room;
      step();
      left -= room - state_.avail_out;
    }
    return bytes - left;
  }

 private:
  void refill() {
    const std::size_t got = packed_->read(block_.data(), block_.size());
    packed_bytes_ += got;
    state_.next_in = block_.data();
    state_.avail_in = static_cast<uInt>(got);
    if (got > 0) return;
    if (!between_members_)
      throw data_error(name(),
                       fmt::format("the gzip file is truncated after {} bytes", packed_bytes_),
                       "a complete gzip file", fetch_again);
    ended_ = true;
  }

  void step() {
    if (between_members_) {
      if (inflateReset(&state_) != Z_OK) throw std::bad_alloc();
      between_members_ = false;
    }
    const int status = inflate(&state_, Z_NO_FLUSH);
    if (status == Z_STREAM_END) {
      between_members_ = true;
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      throw data_error(
          name(),
          fmt::format("the gzip file is damaged ({})", state_.msg ? state_.msg : zError(status)),
          "a gzip file whose check sum fits", fetch_again);
    }
  }

  std::unique_ptr<ByteStream> packed_;
  std::array<Bytef, 1 << 16> block_;
  z_stream state_{};
  std::uint64_t packed_bytes_ = 0;
  bool between_members_ = false, ended_ = false;
};

}  // namespace

std::unique_ptr<ByteStream> open_file(const std::string& path) {
  return std::make_unique<FileStream>(path);
}

bool is_gzip(const std::string& path) {
  std::array<unsigned char, 2> signature{};
  return FileStream(path).read(signature.data(), 2) == 2 && signature[0] == 0x1f &&
         signature[1] == 0x8b;
}

std::unique_ptr<ByteStream> gunzip(std::unique_ptr<ByteStream> packed) {
  return std::make_unique<GzipStream>(std::move(packed));
}

std::unique_ptr<ByteStream> open_unpacked(const std::string& path) {
  if (is_gzip(path)) return gunzip(open_file(path));
  auto file = open_file(path);
  char first = 0;
  if (path.ends_with(".gz") && open_file(path)->read(&first, 1) == 1)
    throw data_error(path, "not a gzip file although its name ends in .gz",
                     "the gzip signature 1f 8b", "rename it if it is unpacked, or fetch it again");
  return file;
}

std::vector<std::uint8_t> read_all(ByteStream& stream, std::size_t limit) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t block = std::size_t{1} << 14;;
       block = std::min(2 * block, std::size_t{1} << 20)) {
    const std::size_t had = bytes.size();
    // Large files get all they may need at once, which costs no memory until it is touched.
    if (had >= std::size_t{1} << 24 && bytes.capacity() < had + block)
      bytes.reserve(std::max(limit, had) + block);
    bytes.resize(had + block);
    const std::size_t got = stream.read(bytes.data() + had, block);
    bytes.resize(had + got);
    if (bytes.size() > limit)
      throw data_error(stream.name(), fmt::format("more than {} bytes", limit),
                       "a file of the size that the data set has", fetch_again);
    if (got < block) break;
  }
  if (bytes.capacity() > 2 * bytes.size()) bytes.shrink_to_fit();  // thousands of them may be kept
  return bytes;
}

}  // namespace bitwright
