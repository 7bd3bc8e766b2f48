#pragma once
// Mixed precision: activations and their gradients in bf16, everything that is learned in f32.

#include <bitwright/nn/network.h>

namespace bitwright {

/// The network's answer in f32, [N, classes], computed with activations of type `precision`.
inline Variable logits(const Network& network, Forward& forward, const Variable& images,
                       DType precision) {
  const LabelScope label(forward.tape, "network");  // of the casts: layers have their own
  return cast(network.forward(forward, cast(images, precision)), DType::f32);
}

}  // namespace bitwright
