#include <algorithm>
#include <stdexcept>

#include <bitwright/core/error.h>
#include <bitwright/quant/bit_stream.h>

namespace bitwright {

void BitWriter::put(std::uint32_t value, int bits) {
  require(bits >= 0 && bits <= 32, "numbers of 0 to 32 bits");
  while (bits > 0) {
    const int used = static_cast<int>(bits_ % 8);
    if (used == 0) bytes_.push_back(0);
    const int now = std::min(bits, 8 - used);
    const std::uint32_t part = (value >> (bits - now)) & ((1u << now) - 1);
    bytes_.back() = static_cast<std::uint8_t>(bytes_.back() | part << (8 - used - now));
    bits_ += now;
    bits -= now;
  }
}

std::uint32_t BitReader::get(int bits) {
  require(bits >= 0 && bits <= 32, "numbers of 0 to 32 bits");
  if (position_ + bits > 8 * static_cast<std::int64_t>(bytes_.size()))
    throw std::out_of_range("a bit stream is read behind its end");
  std::uint32_t value = 0;
  while (bits > 0) {
    const int used = static_cast<int>(position_ % 8);
    const int now = std::min(bits, 8 - used);
    const std::uint32_t byte = bytes_[static_cast<std::size_t>(position_ / 8)];
    value = value << now | ((byte >> (8 - used - now)) & ((1u << now) - 1));
    position_ += now;
    bits -= now;
  }
  return value;
}

std::vector<std::uint8_t> pack_codes(std::span<const std::int32_t> codes, std::int32_t first,
                                     int bits) {
  BitWriter writer;
  for (const std::int32_t code : codes) {
    const std::int64_t distance = std::int64_t{code} - first;
    require(distance >= 0 && distance < std::int64_t{1} << bits, "a code outside its range");
    writer.put(static_cast<std::uint32_t>(distance), bits);
  }
  return writer.bytes();
}

void unpack_codes(std::span<const std::uint8_t> packed, std::int32_t first, int bits,
                  std::span<std::int32_t> codes) {
  BitReader reader(packed);
  for (std::int32_t& code : codes)
    code = static_cast<std::int32_t>(std::int64_t{first} + reader.get(bits));
}

}  // namespace bitwright
