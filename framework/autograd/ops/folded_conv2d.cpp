// Evaluation joins a convolution with the batch norm behind it: y = conv(x) * a + b, where a and b
// follow from the running statistics. The weights stay as they are, so that quantized ones remain
// exact; a and b are applied to the sums before these are rounded and stored.
#include <cmath>
#include <optional>

#include "autograd/ops/conv_shape.h"
#include "autograd/ops/fused.h"
#include "autograd/ops/helpers.h"

namespace bitwright {
namespace {

// Inputs: x, weight; a bias, where the convolution has one; scale and shift, where the batch norm
// has them; the residual, where one is added.
class FoldedConv2d final : public Op {
 public:
  FoldedConv2d(const ConvGeometry& geometry, bool bias, FixedNorm norm)
      : geometry_(geometry), bias_(bias), norm_(std::move(norm)) {}
  std::string_view name() const override {
    return relu_ ? (residual_ ? "conv2d+batch_norm+add+relu" : "conv2d+batch_norm+relu")
                 : (residual_ ? "conv2d+batch_norm+add" : "conv2d+batch_norm");
  }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    kernels::ConvShape shape = conv_shape(in[0], in[1], geometry_);
    shape.epilogue = {.scale = true, .shift = true, .residual = residual_, .relu = relu_};
    kernel_.emplace(shape);
    for (Tensor* t : {&a_, &b_}) *t = Tensor::empty(Shape{shape.out_channels});
    return {{Shape{shape.n, shape.out_channels, shape.out_h(), shape.out_w()}, shape.type,
             Layout::channels_last}};
  }

  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    fold(in);
    kernel_->forward(in[0].data(), in[1].f32(),
                     {a_.f32(), b_.f32(), residual_ ? in.back().data() : nullptr}, out[0].data());
  }

  void backward(const BackwardArgs&) override { require(false, "a folded conv2d has no gradient"); }

  std::unique_ptr<Op> fuse(const Op& next, const Seam& seam) const override {
    if (relu_) return nullptr;
    auto fused = std::make_unique<FoldedConv2d>(geometry_, bias_, norm_);
    fused->residual_ = residual_ || adds_residual(next, seam);
    fused->relu_ = next.name() == "relu";
    return fused->relu_ || fused->residual_ != residual_ ? std::move(fused) : nullptr;
  }

 private:
  // The running statistics and the affine map may change between two replays.
  void fold(std::span<const Tensor> in) {
    const std::size_t affine = bias_ ? 3 : 2;
    const float *mean = norm_.state.running_mean.f32(),
                *variance = norm_.state.running_variance.f32(),
                *bias = bias_ ? in[2].f32() : nullptr,
                *scale = norm_.affine ? in[affine].f32() : nullptr,
                *shift = norm_.affine ? in[affine + 1].f32() : nullptr;
    for (std::int64_t c = 0; c < a_.numel(); ++c) {
      const float a = (scale == nullptr ? 1.f : scale[c]) /
                      std::sqrt(variance[c] + static_cast<float>(norm_.state.epsilon));
      a_.f32()[c] = a;
      b_.f32()[c] =
          ((bias == nullptr ? 0.f : bias[c]) - mean[c]) * a + (shift == nullptr ? 0.f : shift[c]);
    }
  }

  ConvGeometry geometry_;
  bool bias_;
  FixedNorm norm_;
  bool residual_ = false, relu_ = false;
  Tensor a_, b_;
  std::optional<kernels::Convolution> kernel_;
};

}  // namespace

std::unique_ptr<Op> fold_batch_norm(const ConvGeometry& geometry, bool bias, const Op& next,
                                    const Op::Seam& seam) {
  if (seam.backward || seam.position != 0) return nullptr;
  const std::optional<FixedNorm> norm = fixed_norm(next);
  return norm ? std::make_unique<FoldedConv2d>(geometry, bias, *norm) : nullptr;
}

}  // namespace bitwright
