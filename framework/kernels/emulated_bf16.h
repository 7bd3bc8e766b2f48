#pragma once
// bf16 on processors without it: operands are widened to f32, computed on, and results rounded.

#include <memory>

#include "kernels/convolution.h"

namespace bitwright::kernels {

std::unique_ptr<ConvForward> emulated_forward(const ConvShape& shape);
std::unique_ptr<ConvBackwardData> emulated_backward_data(const ConvShape& shape);
std::unique_ptr<ConvBackwardWeights> emulated_backward_weights(const ConvShape& shape);

/// A f32 array with a bf16 one's contents, or on the way to one.
class Widened {
 public:
  explicit Widened(std::int64_t size) : values_(Tensor::empty(Shape{size})) {}
  const float* from(const void* bf16);     ///< widens
  const float* rounded(const float* f32);  ///< rounds to bf16 and widens again
  float* place() { return values_.f32(); }
  void round_to(void* bf16) const;

 private:
  Tensor values_;
};

}  // namespace bitwright::kernels
