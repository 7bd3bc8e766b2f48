#include <optional>

#include "autograd/ops/helpers.h"
#include "kernels/channels.h"
#include "kernels/elementwise.h"
#include "kernels/matmul.h"

namespace bitwright {
namespace {

// y = x W^T + b.   dx = dy W,   dW = dy^T x,   db = column sums of dy.
// With x in bf16, W is rounded to bf16 for the products; b, dW and db stay in f32.
class Linear final : public Op {
 public:
  std::string_view name() const override { return "linear"; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    require_shape(in[0].shape.rank() == 2, name(), in[0].shape);
    require_shape(in[1].shape.rank() == 2 && in[1].shape[1] == in[0].shape[1], name(), in[1].shape);
    n_ = in[0].shape[0], i_ = in[0].shape[1], o_ = in[1].shape[0];
    type_ = in[0].type;
    if (in.size() == 3) require_shape(in[2].shape == Shape{o_}, name(), in[2].shape);
    if (type_ == DType::bf16) rounded_ = Tensor::empty({in[1].shape, DType::bf16});
    forward_.emplace(kernels::Matmul::Plan{.m = n_,
                                           .n = o_,
                                           .k = i_,
                                           .transpose_b = true,
                                           .bias = in.size() == 3,
                                           .type = type_,
                                           .result = type_});
    return {{Shape{n_, o_}, type_}};
  }

  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    if (type_ == DType::bf16)
      kernels::map(o_ * i_, in[1].f32(), rounded_.bf16(), [](float w) { return w; });
    forward_->run(in[0].data(), weight(in[1]), in.size() == 3 ? in[2].f32() : nullptr,
                  out[0].data());
  }

  void backward(const BackwardArgs& a) override {
    const Tensor& dy = a.output_gradients[0];
    if (a.input_gradients[0].defined()) {
      if (!data_)
        data_.emplace(
            kernels::Matmul::Plan{.m = n_, .n = i_, .k = o_, .type = type_, .result = type_});
      data_->run(dy.data(), weight(a.inputs[1]), nullptr, a.input_gradients[0].data());
    }
    if (a.input_gradients[1].defined()) {
      if (!weight_)
        weight_.emplace(
            kernels::Matmul::Plan{.m = o_, .n = i_, .k = n_, .transpose_a = true, .type = type_});
      weight_->run(dy.data(), a.inputs[0].data(), nullptr, a.input_gradients[1].f32());
    }
    if (a.inputs.size() == 3 && a.input_gradients[2].defined())
      for_float_type(type_, [&]<class T>(T*) {
        kernels::column_sums(n_, o_, dy.as<T>(), a.input_gradients[2].f32());
      });
  }
  bool backward_reads_input(std::size_t k) const override { return k < 2; }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  // The weight as the products take it; forward has rounded it.
  const void* weight(const Tensor& w) const {
    return type_ == DType::bf16 ? rounded_.data() : w.data();
  }

  std::int64_t n_ = 0, i_ = 0, o_ = 0;
  DType type_ = DType::f32;
  Tensor rounded_;
  std::optional<kernels::Matmul> forward_, data_, weight_;
};

}  // namespace

Variable linear(const Variable& x, const Variable& weight, const Variable& bias) {
  if (!bias.defined()) return record_op<Linear>(std::array{x, weight});
  return record_op<Linear>(std::array{x, weight, bias});
}

}  // namespace bitwright
