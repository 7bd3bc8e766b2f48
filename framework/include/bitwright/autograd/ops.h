#pragma once
// The differentiable operations, one per line. Shapes: N batch, C channels, H x W image,
// I / O features in and out. 4-D activations are channels_last unless stated otherwise.

#include <cstdint>

#include <bitwright/autograd/variable.h>

namespace bitwright {

// Layers ---------------------------------------------------------------------------------------
/// [N, I] x weight [O, I] + bias [O] (may be undefined) -> [N, O].
Variable linear(const Variable& x, const Variable& weight, const Variable& bias);
struct ConvGeometry {
  std::int64_t stride = 1;
  std::int64_t padding = 0;
  std::int64_t groups = 1;
};
/// [N, C, H, W] with weight [O, C / groups, kh, kw] and bias [O] (may be undefined) -> [N, O, H',
/// W'].
Variable conv2d(const Variable& x, const Variable& weight, const Variable& bias,
                ConvGeometry geometry);
/// Batch normalisation over all axes but the channel axis (axis 1).
struct BatchNormState {
  Tensor running_mean, running_variance;  ///< [C], updated in training (unbiased variance)
  double epsilon = 1e-5;
  double momentum = 0.1;  ///< running <- (1 - momentum) running + momentum batch
};
/// Training: batch statistics. `scale` and `shift` [C] may both be undefined (no affine map).
Variable batch_norm(const Variable& x, const Variable& scale, const Variable& shift,
                    const BatchNormState& state, bool training);
/// Square windows; padding (at most size / 2) is never the maximum.
Variable max_pool2d(const Variable& x, std::int64_t size, std::int64_t stride,
                    std::int64_t padding = 0);
Variable global_avg_pool(const Variable& x);  ///< [N, C, H, W] -> [N, C]
/// Shortcut A of residual networks (He et al. 2015): every stride-th pixel, and zero channels on
/// both sides up to `out_channels` (an odd one behind): [N, C, H, W] -> [N, out_channels, H', W'].
Variable shortcut_a(const Variable& x, std::int64_t stride, std::int64_t out_channels);
/// [N, ...] -> [N, features] in the order C, H, W.
Variable flatten(const Variable& x);
Variable reshape(const Variable& x, Shape shape);  ///< plain layout only
/// To f32 or bf16 (nearest, ties to even); the same variable when it has that type.
Variable cast(const Variable& x, DType type);
/// Mean over the batch of -log softmax(logits)[label]; logits [N, C], labels i32 [N] -> scalar.
Variable cross_entropy(const Variable& logits, const Variable& labels);

// Element-wise, equal shapes -------------------------------------------------------------------
Variable add(const Variable& a, const Variable& b);
Variable subtract(const Variable& a, const Variable& b);
Variable multiply(const Variable& a, const Variable& b);
Variable divide(const Variable& a, const Variable& b);
Variable scale(const Variable& x, Scalar factor);
Variable shift(const Variable& x, Scalar term);
Variable relu(const Variable& x);
Variable exp(const Variable& x);
Variable log(const Variable& x);
Variable tanh(const Variable& x);
Variable sigmoid(const Variable& x);
Variable square(const Variable& x);
Variable sqrt(const Variable& x);
Variable abs(const Variable& x);
Variable clamp(const Variable& x, Scalar low, Scalar high);  ///< gradient 1 inside, 0 outside

// Straight-through estimators: the forward is a step function, the backward is the named map ----
/// sign with sign(0) = -1; gradient passes where |x| <= 1 (BinaryConnect's estimator).
Variable sign_ste(const Variable& x);
/// Nearest integer, ties to even; gradient passes unchanged.
Variable round_ste(const Variable& x);

// Reductions -----------------------------------------------------------------------------------
Variable sum(const Variable& x);   ///< -> scalar
Variable mean(const Variable& x);  ///< -> scalar
/// Softmax along the first axis of [D, ...]: the layout of label planes.
Variable softmax_planes(const Variable& x, Scalar inverse_temperature);

}  // namespace bitwright
