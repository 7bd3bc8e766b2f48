#include "data/image_file.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <bitwright/core/parallel.h>
#include <bitwright/core/sha256.h>

namespace bitwright {
namespace {

constexpr char kMagic[16] = {'b', 'i', 't', 'w', 'r', 'i', 'g', 'h',
                             't', ' ', 'i', 'm', 'a', 'g', 'e', 's'};
constexpr std::uint32_t kVersion = 1;
constexpr std::int64_t kBlock = 1 << 20;    // bytes under one check sum
constexpr std::int64_t kHeaderSize = 4096;  // so that pixels begin on a page

// As it lies in the file, in this machine's byte order; another one's has another version number.
struct Header {
  char magic[16];
  std::uint32_t version;
  std::int32_t classes;
  std::int64_t count, height, width, channels;
  char source[64], content[64];  // SHA-256, hexadecimal
  std::uint32_t blocks_check;    // CRC-32 of the blocks' check sums
  std::uint32_t check;           // CRC-32 of all above
};
static_assert(sizeof(Header) <= kHeaderSize);

std::uint32_t crc(const void* data, std::int64_t bytes) {
  return static_cast<std::uint32_t>(
      crc32_z(0, static_cast<const Bytef*>(data), static_cast<std::size_t>(bytes)));
}

// Where things lie: header, pixels, labels, check sums of the blocks of pixels and labels.
struct Places {
  explicit Places(const Header& h)
      : pixels(h.count * h.height * h.width * h.channels),
        payload(pixels + h.count * 4),
        blocks((payload + kBlock - 1) / kBlock),
        file(kHeaderSize + payload + blocks * 4) {}
  std::int64_t pixels, payload, blocks, file;  // sizes
};

bool plausible(const Header& h) {
  const auto within = [](std::int64_t n, std::int64_t most) { return n >= 1 && n <= most; };
  return within(h.count, std::int64_t{1} << 31) && within(h.height, 4096) &&
         within(h.width, 4096) && within(h.channels, 16) && within(h.classes, 1 << 30);
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// A file's bytes in memory; null when they cannot be mapped.
std::shared_ptr<std::uint8_t> map(int fd, std::int64_t bytes, bool writable) {
  const auto size = static_cast<std::size_t>(bytes);
  void* const at = mmap(nullptr, size, writable ? PROT_READ | PROT_WRITE : PROT_READ,
                        writable ? MAP_SHARED : MAP_PRIVATE, fd, 0);
  if (at == MAP_FAILED) return nullptr;
  return {static_cast<std::uint8_t*>(at), [size](std::uint8_t* p) { munmap(p, size); }};
}

std::string hash_text(const std::string& text) { return sha256(text.data(), text.size()); }

void block_checks(const std::uint8_t* payload, const Places& places, std::uint32_t* checks) {
  parallel_for(places.blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      checks[i] = crc(payload + i * kBlock, std::min(kBlock, places.payload - i * kBlock));
  });
}

bool payload_is_whole(const std::uint8_t* bytes, const Header& header, const Places& places) {
  const std::uint8_t* const payload = bytes + kHeaderSize;
  std::vector<std::uint32_t> checks(static_cast<std::size_t>(places.blocks));
  const std::uint8_t* const stored = payload + places.payload;
  if (crc(stored, places.blocks * 4) != header.blocks_check) return false;
  block_checks(payload, places, checks.data());
  return std::memcmp(checks.data(), stored, checks.size() * 4) == 0;
}

// A new file beside `path` that is gone again unless it was renamed.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& path)
      : target_(path), name_(path + ".tmp-XXXXXX"), file_(mkstemp(name_.data())) {
    if (file_.get() < 0) fail("cannot be created");
  }
  ~TemporaryFile() {
    if (!name_.empty()) unlink(name_.c_str());
  }

  std::shared_ptr<std::uint8_t> reserve(std::int64_t bytes) {
    if (const int error = posix_fallocate(file_.get(), 0, bytes); error != 0) {
      errno = error;
      fail(fmt::format("cannot be given {} bytes", bytes));
    }
    auto memory = map(file_.get(), bytes, true);
    if (!memory) fail("cannot be mapped into memory");
    return memory;
  }

  void put_in_place(std::uint8_t* memory, std::int64_t bytes) {
    if (msync(memory, static_cast<std::size_t>(bytes), MS_SYNC) != 0 || fsync(file_.get()) != 0 ||
        fchmod(file_.get(), 0644) != 0 || rename(name_.c_str(), target_.c_str()) != 0)
      fail("cannot be written");
    name_.clear();
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw storage_error(target_, fmt::format("the image cache {}: {}", what, std::strerror(errno)),
                        "a folder that can be written, with room",
                        "set data.cache=DIR to another folder");
  }
  std::string target_, name_;
  Descriptor file_;
};

}  // namespace

std::optional<CachedImages> open_image_file(const std::string& path, const std::string& source) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (file.get() < 0 || fstat(file.get(), &status) != 0 || status.st_size < kHeaderSize) return {};
  const auto bytes = map(file.get(), status.st_size, false);
  if (!bytes) return {};
  Header header;
  std::memcpy(&header, bytes.get(), sizeof header);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0 || header.version != kVersion ||
      header.check != crc(&header, offsetof(Header, check)) || !plausible(header))
    return {};
  const Places places(header);
  if (places.file != status.st_size || hash_text(source) != std::string(header.source, 64) ||
      !payload_is_whole(bytes.get(), header, places))
    return {};

  CachedImages result;
  ImageSet& images = result.images;
  images.height = header.height, images.width = header.width, images.channels = header.channels;
  images.classes = header.classes;
  images.mapped = {bytes, bytes.get() + kHeaderSize};
  images.labels.resize(static_cast<std::size_t>(header.count));
  std::memcpy(images.labels.data(), images.mapped.get() + places.pixels, images.labels.size() * 4);
  for (const std::int32_t label : images.labels)
    if (label < 0 || label >= header.classes) return {};
  result.sha256 = std::string(header.content, 64);
  return result;
}

void write_image_file(const std::string& path, const std::string& source, const ImagePlan& plan) {
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version = kVersion;
  header.classes = plan.classes;
  header.count = static_cast<std::int64_t>(plan.labels.size());
  header.height = plan.height, header.width = plan.width, header.channels = plan.channels;
  require(plausible(header), "image cache: a size that the format cannot hold");
  const Places places(header);
  TemporaryFile file(path);
  const auto bytes = file.reserve(places.file);
  std::uint8_t* const payload = bytes.get() + kHeaderSize;
  const std::int64_t image = plan.height * plan.width * plan.channels;
  parallel_for(header.count, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) plan.make(i, payload + i * image);
  });
  std::memcpy(payload + places.pixels, plan.labels.data(), plan.labels.size() * 4);

  std::vector<std::uint32_t> checks(static_cast<std::size_t>(places.blocks));
  block_checks(payload, places, checks.data());
  std::memcpy(payload + places.payload, checks.data(), checks.size() * 4);
  header.blocks_check = crc(checks.data(), places.blocks * 4);
  std::memcpy(header.source, hash_text(source).data(), 64);
  std::memcpy(header.content, sha256(payload, static_cast<std::size_t>(places.payload)).data(), 64);
  header.check = crc(&header, offsetof(Header, check));
  std::memcpy(bytes.get(), &header, sizeof header);
  file.put_in_place(bytes.get(), places.file);
}

}  // namespace bitwright
