#pragma once
// Watching activations before they are quantized.

#include <cstdint>

#include <bitwright/nn/network.h>
#include <bitwright/tensor/tensor.h>

namespace bitwright {

/// What calibration shows activations to. A Method that also derives from this is calibrated before
/// its stage begins, where the stage says `calibration_images`: after attach() and transform(), and
/// not again when the stage is resumed (what it keeps, it visits).
class ActivationObserver {
 public:
  virtual ~ActivationObserver() = default;
  /// Whether the outputs of this layer are of interest. Asked once, while the network is traced.
  virtual bool observes(const Layer& layer) const = 0;
  /// The output of a layer for a batch, of which the first `images` count: f32 or bf16, images one
  /// after the other in memory.
  virtual void observe(const Layer& layer, const Tensor& output, std::int64_t images) = 0;
};

}  // namespace bitwright
