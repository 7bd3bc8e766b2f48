#include <optional>

#include "autograd/ops/helpers.h"
#include "kernels/convolution.h"

namespace bitwright {
namespace {

// Inputs: x, weight, and a bias or none. The result has the type of x.
class Conv2d final : public Op {
 public:
  explicit Conv2d(ConvGeometry geometry) : geometry_(geometry) {}
  std::string_view name() const override { return "conv2d"; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    const Shape &x = in[0].shape, &w = in[1].shape;
    const std::int64_t groups = geometry_.groups;
    require(geometry_.stride >= 1 && geometry_.padding >= 0 && groups >= 1,
            "conv2d: stride, padding or groups");
    require_shape(x.rank() == 4 && in[0].layout == Layout::channels_last, name(), x);
    require_shape(w.rank() == 4 && w[1] * groups == x[1] && w[0] % groups == 0 &&
                      in[1].layout == Layout::plain,
                  name(), w);
    if (in.size() == 3) require_shape(in[2].shape == Shape{w[0]}, name(), in[2].shape);
    const kernels::ConvShape shape{.n = x[0],
                                   .c = x[1],
                                   .h = x[2],
                                   .w = x[3],
                                   .out_channels = w[0],
                                   .kernel_h = w[2],
                                   .kernel_w = w[3],
                                   .stride = geometry_.stride,
                                   .padding = geometry_.padding,
                                   .groups = groups,
                                   .bias = in.size() == 3,
                                   .type = in[0].type};
    require_shape(shape.out_h() > 0 && shape.out_w() > 0, name(), x);
    kernel_.emplace(shape);
    return {{Shape{shape.n, shape.out_channels, shape.out_h(), shape.out_w()}, shape.type,
             Layout::channels_last}};
  }

  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    kernel_->forward(in[0].data(), in[1].f32(), in.size() == 3 ? in[2].f32() : nullptr,
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

 private:
  ConvGeometry geometry_;
  std::optional<kernels::Convolution> kernel_;
};

}  // namespace

Variable conv2d(const Variable& x, const Variable& weight, const Variable& bias,
                ConvGeometry geometry) {
  if (!bias.defined()) return record_op<Conv2d>(std::array{x, weight}, geometry);
  return record_op<Conv2d>(std::array{x, weight, bias}, geometry);
}

}  // namespace bitwright
