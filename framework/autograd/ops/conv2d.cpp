#include <optional>

#include "autograd/ops/helpers.h"
#include "kernels/convolution.h"

namespace bitwright {
namespace {

class Conv2d final : public Op {
 public:
  explicit Conv2d(ConvGeometry geometry) : geometry_(geometry) {}
  std::string_view name() const override { return "conv2d"; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    const Shape &x = in[0].shape, &w = in[1].shape;
    require_shape(x.rank() == 4 && in[0].layout == Layout::channels_last, name(), x);
    require_shape(w.rank() == 4 && w[1] == x[1] && in[1].layout == Layout::plain, name(), w);
    if (in.size() == 3) require_shape(in[2].shape == Shape{w[0]}, name(), in[2].shape);
    require(geometry_.stride >= 1 && geometry_.padding >= 0, "conv2d: stride or padding");
    const kernels::Convolution::Plan plan{.n = x[0],
                                          .c = x[1],
                                          .h = x[2],
                                          .w = x[3],
                                          .out_channels = w[0],
                                          .kernel_h = w[2],
                                          .kernel_w = w[3],
                                          .stride = geometry_.stride,
                                          .padding = geometry_.padding,
                                          .bias = in.size() == 3};
    require_shape(plan.out_h() > 0 && plan.out_w() > 0, name(), x);
    kernel_.emplace(plan);
    if (plan.bias) bias_gradient_ = Tensor::empty(in[2].shape);
    return {{Shape{plan.n, plan.out_channels, plan.out_h(), plan.out_w()}, DType::f32,
             Layout::channels_last}};
  }

  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    kernel_->forward(in[0].f32(), in[1].f32(), in.size() == 3 ? in[2].f32() : nullptr,
                     out[0].f32());
  }

  void backward(const BackwardArgs& a) override {
    const float* dy = a.output_gradients[0].f32();
    const bool has_bias = a.inputs.size() == 3;
    const bool wants_bias = has_bias && a.input_gradients[2].defined();
    if (a.input_gradients[0].defined())
      kernel_->backward_data(dy, a.inputs[1].f32(), a.input_gradients[0].f32());
    if (a.input_gradients[1].defined() || wants_bias) {
      if (!a.input_gradients[1].defined() && !weight_gradient_.defined())
        weight_gradient_ = Tensor::empty(a.inputs[1].spec());
      Tensor& dw = a.input_gradients[1].defined() ? a.input_gradients[1] : weight_gradient_;
      Tensor& db = wants_bias ? a.input_gradients[2] : bias_gradient_;
      kernel_->backward_weights(a.inputs[0].f32(), dy, dw.f32(), has_bias ? db.f32() : nullptr);
    }
  }

 private:
  ConvGeometry geometry_;
  std::optional<kernels::Convolution> kernel_;
  Tensor weight_gradient_, bias_gradient_;  // where oneDNN writes what nobody asked for
};

}  // namespace

Variable conv2d(const Variable& x, const Variable& weight, const Variable& bias,
                ConvGeometry geometry) {
  if (!bias.defined()) return record_op<Conv2d>(std::array{x, weight}, geometry);
  return record_op<Conv2d>(std::array{x, weight, bias}, geometry);
}

}  // namespace bitwright
