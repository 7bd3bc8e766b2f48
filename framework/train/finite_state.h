#pragma once
// The first NaN or Inf among what a network is made of.

#include <optional>
#include <string>
#include <vector>

#include <bitwright/nn/network.h>
#include <bitwright/optim/optimizer.h>
#include <bitwright/tensor/tensor.h>

namespace bitwright {

/// A tensor with a value that is not finite.
struct NonFinite {
  std::string value;  ///< "NaN" or "Inf", as its first one is
  std::string what;   ///< "weight 'fc1.weight', layer 'fc1'"
};

/// "NaN" or "Inf", as the first value is that is not finite; nothing: all are, or the tensor has
/// no floating-point values.
std::optional<std::string> non_finite_value(const Tensor& tensor);

/// The first of what is optimized, then of the running statistics.
std::optional<NonFinite> non_finite_state(Network& network,
                                          const std::vector<Optimized>& optimized);
/// The first gradient.
std::optional<NonFinite> non_finite_gradient(const std::vector<Optimized>& optimized);

}  // namespace bitwright
