#include <optional>

#include "autograd/ops/conv_shape.h"
#include "autograd/ops/fused.h"
#include "autograd/ops/helpers.h"

namespace bitwright {
namespace {

// Inputs: x, weight, and a bias or none. The result has the type of x.
class Conv2d final : public Op {
 public:
  explicit Conv2d(ConvGeometry geometry) : geometry_(geometry) {}
  std::string_view name() const override { return "conv2d"; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    kernels::ConvShape shape = conv_shape(in[0], in[1], geometry_);
    bias_ = in.size() == 3;
    if (bias_) require_shape(in[2].shape == Shape{shape.out_channels}, name(), in[2].shape);
    shape.epilogue.shift = bias_;
    kernel_.emplace(shape);
    return {{Shape{shape.n, shape.out_channels, shape.out_h(), shape.out_w()}, shape.type,
             Layout::channels_last}};
  }

  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    kernel_->forward(in[0].data(), in[1].f32(), {.shift = bias_ ? in[2].f32() : nullptr},
                     out[0].data());
  }

  void backward(const BackwardArgs& a) override {
    const void* dy = a.output_gradients[0].data();
    if (a.input_gradients[0].defined())
      kernel_->backward_data(dy, a.inputs[1].f32(), a.input_gradients[0].data());
    if (a.input_gradients[1].defined())
      kernel_->backward_weights(a.inputs[0].data(), dy, a.input_gradients[1].f32());
    if (a.inputs.size() == 3 && a.input_gradients[2].defined())
      kernel_->backward_bias(dy, a.input_gradients[2].f32());
  }
  bool backward_reads_input(std::size_t k) const override { return k < 2; }
  bool backward_reads_output(std::size_t) const override { return false; }

  std::unique_ptr<Op> fuse(const Op& next, const Seam& seam) const override {
    return fold_batch_norm(geometry_, bias_, next, seam);
  }

 private:
  ConvGeometry geometry_;
  bool bias_ = false;
  std::optional<kernels::Convolution> kernel_;
};

}  // namespace

kernels::ConvShape conv_shape(const TensorSpec& input, const TensorSpec& weight,
                              const ConvGeometry& geometry) {
  const Shape &x = input.shape, &w = weight.shape;
  require(geometry.stride >= 1 && geometry.padding >= 0 && geometry.groups >= 1,
          "conv2d: stride, padding or groups");
  require_shape(x.rank() == 4 && input.layout == Layout::channels_last, "conv2d", x);
  require_shape(w.rank() == 4 && w[1] * geometry.groups == x[1] && w[0] % geometry.groups == 0 &&
                    weight.layout == Layout::plain,
                "conv2d", w);
  const kernels::ConvShape shape{.n = x[0],
                                 .c = x[1],
                                 .h = x[2],
                                 .w = x[3],
                                 .out_channels = w[0],
                                 .kernel_h = w[2],
                                 .kernel_w = w[3],
                                 .stride = geometry.stride,
                                 .padding = geometry.padding,
                                 .groups = geometry.groups,
                                 .type = input.type};
  require_shape(shape.out_h() > 0 && shape.out_w() > 0, "conv2d", x);
  return shape;
}

Variable conv2d(const Variable& x, const Variable& weight, const Variable& bias,
                ConvGeometry geometry) {
  if (!bias.defined()) return record_op<Conv2d>(std::array{x, weight}, geometry);
  return record_op<Conv2d>(std::array{x, weight, bias}, geometry);
}

}  // namespace bitwright
