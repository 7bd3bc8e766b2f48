#include <optional>

#include "autograd/ops/helpers.h"
#include "kernels/matmul.h"

namespace bitwright {
namespace {

// y = x W^T + b.   dx = dy W,   dW = dy^T x,   db = column sums of dy.
class Linear final : public Op {
 public:
  std::string_view name() const override { return "linear"; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    require_shape(in[0].shape.rank() == 2, name(), in[0].shape);
    require_shape(in[1].shape.rank() == 2 && in[1].shape[1] == in[0].shape[1], name(), in[1].shape);
    n_ = in[0].shape[0], i_ = in[0].shape[1], o_ = in[1].shape[0];
    if (in.size() == 3) require_shape(in[2].shape == Shape{o_}, name(), in[2].shape);
    forward_.emplace(kernels::Matmul::Plan{
        .m = n_, .n = o_, .k = i_, .transpose_b = true, .bias = in.size() == 3});
    return {{Shape{n_, o_}}};
  }

  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    forward_->run(in[0].f32(), in[1].f32(), in.size() == 3 ? in[2].f32() : nullptr, out[0].f32());
  }

  void backward(const BackwardArgs& a) override {
    const float* dy = a.output_gradients[0].f32();
    if (a.input_gradients[0].defined()) {
      if (!data_) data_.emplace(kernels::Matmul::Plan{.m = n_, .n = i_, .k = o_});
      data_->run(dy, a.inputs[1].f32(), nullptr, a.input_gradients[0].f32());
    }
    if (a.input_gradients[1].defined()) {
      if (!weight_)
        weight_.emplace(kernels::Matmul::Plan{.m = o_, .n = i_, .k = n_, .transpose_a = true});
      weight_->run(dy, a.inputs[0].f32(), nullptr, a.input_gradients[1].f32());
    }
    if (a.inputs.size() == 3 && a.input_gradients[2].defined())
      kernels::column_sums(n_, o_, dy, a.input_gradients[2].f32());
  }

 private:
  std::int64_t n_ = 0, i_ = 0, o_ = 0;
  std::optional<kernels::Matmul> forward_, data_, weight_;
};

}  // namespace

Variable linear(const Variable& x, const Variable& weight, const Variable& bias) {
  if (!bias.defined()) return record_op<Linear>(std::array{x, weight});
  return record_op<Linear>(std::array{x, weight, bias});
}

}  // namespace bitwright
