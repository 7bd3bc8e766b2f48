#pragma once
// What a quantized network takes: bits of its weights as papers count them and as they are stored,
// and the bit operations of one image.

#include <map>
#include <optional>
#include <string>

#include <bitwright/nn/network.h>
#include <bitwright/quant/coded.h>

namespace bitwright {

/// Bits of a parameter as it is stored: codes, scales, offsets and code book, else 32 an element.
inline double stored_bits(const Parameter& parameter, const std::optional<Coded>& coded) {
  return coded ? coded->stored_bits() : 32.0 * static_cast<double>(parameter.value.numel());
}

/// Bits of the operands of a layer's multiplications.
struct OperandBits {
  double weight = 32, input = 32;
};

/// BitOPs of one image: the sum over layers of multiply-accumulates x bits of a weight x bits of an
/// input value (Baskin et al. 2018 count so; Wang et al., HAQ, 2019). Layers that are not named
/// work in 32 bits.
double bit_operations(const Network& network, const std::map<std::string, OperandBits>& layers);

}  // namespace bitwright
