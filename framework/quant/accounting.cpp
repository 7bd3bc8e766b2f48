#include <bitwright/core/error.h>
#include <bitwright/quant/accounting.h>

namespace bitwright {

double bit_operations(const Network& network, const std::map<std::string, OperandBits>& layers) {
  double total = 0;
  std::size_t known = 0;
  for (const LayerSummary& layer : network.summary()) {
    const auto at = layers.find(layer.name);
    known += at != layers.end();
    const OperandBits bits = at == layers.end() ? OperandBits{} : at->second;
    total += static_cast<double>(layer.macs) * bits.weight * bits.input;
  }
  require(known == layers.size(), "bits for a layer that the network does not have");
  return total;
}

}  // namespace bitwright
