// Ops that move elements without changing them.
#include "autograd/ops/helpers.h"

namespace bitwright {
namespace {

class Reshape final : public Op {
 public:
  explicit Reshape(Shape shape) : shape_(std::move(shape)) {}
  std::string_view name() const override { return "reshape"; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    require_shape(in[0].shape.numel() == shape_.numel(), name(), in[0].shape);
    return {{shape_, in[0].type}};
  }
  // The shape of the input may be channels_last: copy_from puts it in plain order.
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    out[0].reshaped(in[0].shape()).copy_from(in[0]);
  }
  void backward(const BackwardArgs& a) override {
    a.input_gradients[0].copy_from(a.output_gradients[0].reshaped(a.inputs[0].shape()));
  }
  bool backward_reads_input(std::size_t) const override { return false; }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  Shape shape_;
};

}  // namespace

Variable reshape(const Variable& x, Shape shape) {
  return record_op<Reshape>(std::array{x}, std::move(shape));
}

Variable flatten(const Variable& x) {
  const std::int64_t n = x.shape()[0];
  return reshape(x, Shape{n, x.shape().numel() / n});
}

}  // namespace bitwright
