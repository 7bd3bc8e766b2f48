#pragma once
// The differentiable operations, one per line. Shapes: N batch, C channels, H x W image,
// I / O features in and out. 4-D activations are channels_last unless stated otherwise. Floating
// operands may be f32 or bf16 where nothing else is said, and results have their type. Arguments
// that do not fit are bugs of the caller (std::logic_error).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

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
/// Square windows; padding (at most size / 2) is never the maximum. The first of
/// equal elements takes the gradient; NaN is larger than every number.
Variable max_pool2d(const Variable& x, std::int64_t size, std::int64_t stride,
                    std::int64_t padding = 0);
/// The sum of each window divided by size^2: padding (at most size / 2) counts as zeros, which is
/// PyTorch's default (count_include_pad).
Variable avg_pool2d(const Variable& x, std::int64_t size, std::int64_t stride,
                    std::int64_t padding = 0);
Variable global_avg_pool(const Variable& x);  ///< [N, C, H, W] -> [N, C]
/// Shortcut A of residual networks (He et al. 2015): every stride-th pixel, and zero channels on
/// both sides up to `out_channels` (an odd one behind): [N, C, H, W] -> [N, out_channels, H', W'].
Variable shortcut_a(const Variable& x, std::int64_t stride, std::int64_t out_channels);
/// What a dropout mask is a pure function of, besides the element: set `step` before each replay,
/// and a resumed run draws the masks of an uninterrupted one.
struct DropoutStream {
  std::uint64_t seed = 0;
  std::string layer;
  Scalar step = 0;
};
/// Training: each element is zero with this probability, else x / (1 - probability) (Srivastava et
/// al. 2014, inverted); the probability lies in [0, 1). Evaluation: x itself.
Variable dropout(const Variable& x, Scalar probability, const DropoutStream& stream, bool training);
/// To f32 or bf16 (nearest, ties to even); the same variable when it has that type.
Variable cast(const Variable& x, DType type);

// Activations ----------------------------------------------------------------------------------
Variable relu(const Variable& x);
Variable relu6(const Variable& x);                     ///< min(max(x, 0), 6)
Variable leaky_relu(const Variable& x, Scalar slope);  ///< x where x > 0, else slope x
Variable tanh(const Variable& x);
Variable sigmoid(const Variable& x);
Variable hard_tanh(const Variable& x);  ///< x in [-1, 1], gradient 1 in (-1, 1), as PyTorch's

// Shapes and places ----------------------------------------------------------------------------
// Axes are those of the shape, whatever the layout; negative ones count from the last.
/// [N, ...] -> [N, features] in the order C, H, W.
Variable flatten(const Variable& x);
Variable reshape(const Variable& x, Shape shape);  ///< in row-major order; the result is plain
Variable concat(const std::vector<Variable>& parts, int axis);
struct Padding {
  std::int64_t before = 0, after = 0;
};
/// One amount per axis; the new elements have this value.
Variable pad(const Variable& x, const std::vector<Padding>& padding, Scalar value = 0);
/// Elements begin, begin + step, ... before `end` of one axis.
Variable slice(const Variable& x, int axis, std::int64_t begin, std::int64_t end,
               std::int64_t step = 1);
/// y[..., k, ...] = x[..., indices[k], ...]; indices i32 [K]; plain layout. An index that comes
/// several times collects its gradients.
Variable index_select(const Variable& x, int axis, const Variable& indices);
/// y[.., k, ..] = x[.., indices[.., k, ..], ..]; indices i32, shaped as the result: as x except
/// along the axis; plain layout.
Variable gather(const Variable& x, int axis, const Variable& indices);
struct Sorted {
  Variable values;  ///< ascending; equal ones in their order in x, NaN last
  Variable order;   ///< i32: values = gather(x, axis, order)
};
Sorted sort(const Variable& x, int axis = -1);  ///< plain layout

// Losses, f32 -> scalar -------------------------------------------------------------------------
/// Mean over the batch of -sum_c t_c log softmax(logits)_c; logits [N, C], labels i32 [N]. t is
/// 1 - label_smoothing at the label, plus label_smoothing / C everywhere (Szegedy et al. 2016).
Variable cross_entropy(const Variable& logits, const Variable& labels, double label_smoothing = 0);
/// The same with targets t [N, C] of the caller's.
Variable soft_cross_entropy(const Variable& logits, const Variable& targets);
Variable mse(const Variable& x, const Variable& y);  ///< mean of (x - y)^2 over all elements
/// Sum of q (log q - log_p) divided by the first extent ("batchmean"); 0 log 0 = 0.
Variable kl_divergence(const Variable& log_p, const Variable& q);
Variable softmax(const Variable& x);      ///< along the last axis of [N, C], f32
Variable log_softmax(const Variable& x);  ///< likewise
/// Softmax along the first axis of [D, ...]: the layout of label planes; f32.
Variable softmax_planes(const Variable& x, Scalar inverse_temperature);

// Arithmetic -----------------------------------------------------------------------------------
// Shapes broadcast as in NumPy: aligned at the last axis, extents equal or 1. Over a channels_last
// image a list [C] has one value per channel. Operands have one type, except that one which is
// broadcast over all of the other may be f32 beside bf16 or the reverse: the other's type decides.
Variable add(const Variable& a, const Variable& b);
Variable subtract(const Variable& a, const Variable& b);
Variable multiply(const Variable& a, const Variable& b);
Variable divide(const Variable& a, const Variable& b);
Variable maximum(const Variable& a, const Variable& b);  ///< equal operands share the gradient
Variable minimum(const Variable& a, const Variable& b);

// Functions, element by element ----------------------------------------------------------------
Variable scale(const Variable& x, Scalar factor);
Variable shift(const Variable& x, Scalar term);
Variable negate(const Variable& x);
Variable pow(const Variable& x, Scalar exponent);
Variable exp(const Variable& x);
Variable log(const Variable& x);
Variable square(const Variable& x);
Variable sqrt(const Variable& x);
Variable abs(const Variable& x);
Variable clamp(const Variable& x, Scalar low, Scalar high);  ///< gradient 1 inside, 0 outside

// Straight-through estimators ------------------------------------------------------------------
// The forward is a step function (or a clamp); dx is the named stand-in for its derivative.
/// sign with sign(0) = -1; dx = dy where |x| <= 1, else 0 (BinaryConnect's estimator).
Variable sign_ste(const Variable& x);
/// sign with sign(0) = -1; dx = dy.
Variable sign_ste_identity(const Variable& x);
/// sign with sign(0) = -1; dx = dy k (1 - tanh^2(k x)) with k = steepness.
Variable sign_ste_tanh(const Variable& x, Scalar steepness);
Variable round_ste(const Variable& x);  ///< nearest integer, ties to even; dx = dy
Variable floor_ste(const Variable& x);  ///< largest integer <= x; dx = dy
/// min(max(x, low), high); dx = dy, also outside (clamp() is the one that stops it).
Variable clamp_ste(const Variable& x, Scalar low, Scalar high);

// Reductions -----------------------------------------------------------------------------------
// Over the given axes, or all where none is given; the result is f32. `keepdim` leaves extents of 1
// (and the layout) in place of the reduced axes; else they go, and the result is plain.
using Axes = std::vector<int>;
Variable sum(const Variable& x, const Axes& axes = {}, bool keepdim = false);
Variable mean(const Variable& x, const Axes& axes = {}, bool keepdim = false);
Variable max(const Variable& x, const Axes& axes = {}, bool keepdim = false);  ///< ties share dy
Variable min(const Variable& x, const Axes& axes = {}, bool keepdim = false);  ///< ties share dy
/// Sum of (x - mean)^2 divided by (count - correction), in two passes.
Variable variance(const Variable& x, const Axes& axes = {}, bool keepdim = false,
                  std::int64_t correction = 0);
/// sqrt(sum of x^2); its gradient at zero is 0.
Variable norm(const Variable& x, const Axes& axes = {}, bool keepdim = false);
/// The q-quantile, q in [0, 1], of all elements or along one axis (plain layout): linear between
/// the order statistics around q (n - 1). NaN where there is a NaN. The result is f32.
Variable quantile(const Variable& x, Scalar q, std::optional<int> axis = {}, bool keepdim = false);

}  // namespace bitwright
