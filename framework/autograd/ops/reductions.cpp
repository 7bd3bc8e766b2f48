#include "autograd/ops/helpers.h"
#include "kernels/elementwise.h"
#include "kernels/softmax.h"

namespace bitwright {
namespace {

// Sum or mean of all elements.
class Reduce final : public Op {
 public:
  explicit Reduce(bool mean) : mean_(mean) {}
  std::string_view name() const override { return mean_ ? "mean" : "sum"; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    factor_ = mean_ ? 1.0 / static_cast<double>(in[0].shape.numel()) : 1.0;
    return {{Shape{}}};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    *out[0].f32() = static_cast<float>(factor_ * kernels::sum(in[0].numel(), in[0].f32()));
  }
  void backward(const BackwardArgs& a) override {
    a.input_gradients[0].fill(static_cast<float>(factor_) * a.output_gradients[0].item());
  }
  bool backward_reads_input(std::size_t) const override { return false; }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  bool mean_;
  double factor_ = 1;
};

class SoftmaxPlanes final : public Op {
 public:
  explicit SoftmaxPlanes(Scalar factor) : factor_(std::move(factor)) {}
  std::string_view name() const override { return "softmax_planes"; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    require_shape(in[0].shape.rank() >= 1 && in[0].layout == Layout::plain, name(), in[0].shape);
    planes_ = in[0].shape[0];
    each_ = in[0].shape.numel() / planes_;
    return {in[0]};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    kernels::softmax_planes(planes_, each_, static_cast<float>(factor_.get()), in[0].f32(),
                            out[0].f32());
  }
  void backward(const BackwardArgs& a) override {
    kernels::softmax_planes_backward(planes_, each_, static_cast<float>(factor_.get()),
                                     a.outputs[0].f32(), a.output_gradients[0].f32(),
                                     a.input_gradients[0].f32());
  }
  bool backward_reads_input(std::size_t) const override { return false; }

 private:
  Scalar factor_;
  std::int64_t planes_ = 0, each_ = 0;
};

}  // namespace

Variable sum(const Variable& x) { return record_op<Reduce>(std::array{x}, false); }
Variable mean(const Variable& x) { return record_op<Reduce>(std::array{x}, true); }
Variable softmax_planes(const Variable& x, Scalar inverse_temperature) {
  return record_op<SoftmaxPlanes>(std::array{x}, std::move(inverse_temperature));
}

}  // namespace bitwright
