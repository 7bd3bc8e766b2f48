#include "kernels/convolution_rule.h"

namespace bitwright::kernels {

std::string_view name_of(ConvAlgorithm algorithm) {
  switch (algorithm) {
    case ConvAlgorithm::winograd:
      return "winograd";
    case ConvAlgorithm::patches:
      return "patches";
    case ConvAlgorithm::direct:
      break;
  }
  return "direct";
}

ConvAlgorithm choose_algorithm(const ConvShape&, ConvPass) { return ConvAlgorithm::direct; }

}  // namespace bitwright::kernels
