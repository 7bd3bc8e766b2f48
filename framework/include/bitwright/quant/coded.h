#pragma once
// A quantized tensor as it is stored: integer codes, and what turns them into numbers.

#include <cstdint>
#include <span>
#include <vector>

namespace bitwright {

/// Element i of a tensor with C output channels (axis 0) is, with c its channel,
///   book[code_i]                    where there is a code book, else
///   scale[c] * code_i + offset[c]   computed in f32, in this order.
struct Coded {
  int bits = 32;                    ///< of a stored code; 0: every code is `first`
  std::int32_t first = 0;           ///< codes lie in [first, first + 2^bits)
  std::vector<std::int32_t> codes;  ///< one per element, row-major
  std::vector<float> scale;         ///< one value, or one per output channel
  std::vector<float> offset = {};   ///< the same, or none: 0
  std::vector<float> book = {};     ///< the numbers of codes 0, 1, ...

  /// Bits of the codes, and of scales, offsets and the code book at 32 bits each.
  double stored_bits() const {
    return static_cast<double>(bits) * static_cast<double>(codes.size()) +
           32.0 * static_cast<double>(scale.size() + offset.size() + book.size());
  }
  /// Writes the numbers of all elements.
  void decode(std::span<float> out) const;
};

/// Values that are all among `labels` (at most 2^16 different numbers), as indices into these.
Coded coded_labels(std::span<const float> values, std::vector<float> labels);

}  // namespace bitwright
