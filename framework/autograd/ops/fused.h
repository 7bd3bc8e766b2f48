#pragma once
// Ops that other ops' fuse() offer, and what they need to know of the ops they replace.

#include <memory>
#include <optional>

#include <bitwright/autograd/ops.h>

namespace bitwright {

/// max(0, x) and then `pool`, a max_pool2d; null when it is none.
std::unique_ptr<Op> relu_max_pool2d(const Op& pool);

/// A convolution (with bias or not) and then `next`, a batch norm with running statistics, on tapes
/// without a backward pass; null for all else.
std::unique_ptr<Op> fold_batch_norm(const ConvGeometry& geometry, bool bias, const Op& next,
                                    const Op::Seam& seam);

/// A batch norm that uses its running statistics.
struct FixedNorm {
  BatchNormState state;
  bool affine;  ///< scale and shift are its last inputs
};
/// None when `op` is something else.
std::optional<FixedNorm> fixed_norm(const Op& op);

/// `next` adds the value before the seam and one other of the same shape and type.
bool adds_residual(const Op& next, const Op::Seam& seam);

}  // namespace bitwright
