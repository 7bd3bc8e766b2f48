#pragma once
// Numbers of any width, one behind the other without gaps: the first bit is the highest of the
// first byte, numbers begin with their highest bit, and zeros fill the last byte.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace bitwright {

class BitWriter {
 public:
  /// Appends the lowest `bits` (0 to 32) of `value`.
  void put(std::uint32_t value, int bits);
  std::int64_t bits() const { return bits_; }  ///< written so far
  const std::vector<std::uint8_t>& bytes() const { return bytes_; }

 private:
  std::vector<std::uint8_t> bytes_;
  std::int64_t bits_ = 0;
};

class BitReader {
 public:
  explicit BitReader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  /// The next `bits` (0 to 32); throws std::out_of_range behind the end.
  std::uint32_t get(int bits);
  std::int64_t position() const { return position_; }  ///< bits read so far

 private:
  std::span<const std::uint8_t> bytes_;
  std::int64_t position_ = 0;
};

/// Bytes that `count` numbers of `bits` take.
constexpr std::size_t packed_bytes(std::size_t count, int bits) {
  return (count * static_cast<std::size_t>(bits) + 7) / 8;
}

/// Codes in [first, first + 2^bits), each as its distance from `first`; bits 0 to 32.
std::vector<std::uint8_t> pack_codes(std::span<const std::int32_t> codes, std::int32_t first,
                                     int bits);
/// The inverse; `packed` has packed_bytes(codes.size(), bits) bytes.
void unpack_codes(std::span<const std::uint8_t> packed, std::int32_t first, int bits,
                  std::span<std::int32_t> codes);

}  // namespace bitwright
