#pragma once
// Bytes that are read once, from the first to the last, wherever they come from: a file as it lies,
// what a gzip file unpacks to, a member of an archive. Data sets are read through it, so that every
// reader works on packed and unpacked files alike.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace bitwright {

class ByteStream {
 public:
  virtual ~ByteStream() = default;

  /// Reads up to `bytes` bytes; fewer only at the end. Throws a data error that names the file when
  /// it cannot be read or its packing is damaged.
  virtual std::size_t read(void* to, std::size_t bytes) = 0;

  /// The file, for messages; of a member of an archive "ARCHIVE(MEMBER)".
  const std::string& name() const { return name_; }

 protected:
  explicit ByteStream(std::string name) : name_(std::move(name)) {}

 private:
  std::string name_;
};

/// A file as it lies.
std::unique_ptr<ByteStream> open_file(const std::string& path);

/// The same; a file that begins with the gzip signature is unpacked, its CRC-32 and length checked.
/// A file called .gz that does not is refused, unless it is empty.
std::unique_ptr<ByteStream> open_unpacked(const std::string& path);

/// Whether the file begins with the gzip signature.
bool is_gzip(const std::string& path);

/// Everything that is left. Throws a data error when that is more than `limit` bytes, so that a
/// small packed file cannot fill the memory.
std::vector<std::uint8_t> read_all(ByteStream& stream, std::size_t limit);

}  // namespace bitwright
