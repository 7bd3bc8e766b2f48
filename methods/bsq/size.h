#pragma once
// Model size as the paper counts it, section 5 of its protocol: quantized tensors only, and no bit
// for signs; and beside that with a sign bit for every weight of a tensor that has any bits.

#include <cstdint>

namespace bitwright::bsq {

struct Size {
  std::int64_t elements = 0;
  std::int64_t bits = 0;
  std::int64_t signs = 0;

  void add(std::int64_t tensor_elements, int tensor_bits) {
    elements += tensor_elements;
    bits += tensor_elements * tensor_bits;
    if (tensor_bits > 0) signs += tensor_elements;
  }
  double per_element() const { return ratio(bits, elements); }
  double per_element_signed() const { return ratio(bits + signs, elements); }
  /// Comp, against 32 bits an element; infinite when nothing is left.
  double compression() const { return ratio(32 * elements, bits); }
  double compression_signed() const { return ratio(32 * elements, bits + signs); }

 private:
  static double ratio(std::int64_t a, std::int64_t b) {
    return static_cast<double>(a) / static_cast<double>(b);
  }
};

}  // namespace bitwright::bsq
