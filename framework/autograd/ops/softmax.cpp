#include "kernels/softmax.h"

#include "autograd/ops/helpers.h"

namespace bitwright {
namespace {

// Over the last axis of a matrix; softmax or its logarithm.
class Softmax final : public Op {
 public:
  explicit Softmax(bool logarithm) : logarithm_(logarithm) {}
  std::string_view name() const override { return logarithm_ ? "log_softmax" : "softmax"; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    require_shape(in[0].shape.rank() == 2 && in[0].shape.numel() > 0, name(), in[0].shape);
    rows_ = in[0].shape[0], columns_ = in[0].shape[1];
    return {{in[0].shape}};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    const auto run = logarithm_ ? kernels::log_softmax : kernels::softmax;
    run(rows_, columns_, in[0].f32(), out[0].f32());
  }
  void backward(const BackwardArgs& a) override {
    const auto run = logarithm_ ? kernels::log_softmax_backward : kernels::softmax_backward;
    run(rows_, columns_, a.outputs[0].f32(), a.output_gradients[0].f32(),
        a.input_gradients[0].f32());
  }
  bool backward_reads_input(std::size_t) const override { return false; }

 private:
  bool logarithm_;
  std::int64_t rows_ = 0, columns_ = 0;
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

Variable softmax(const Variable& x) { return record_op<Softmax>(std::array{x}, false); }
Variable log_softmax(const Variable& x) { return record_op<Softmax>(std::array{x}, true); }
Variable softmax_planes(const Variable& x, Scalar inverse_temperature) {
  return record_op<SoftmaxPlanes>(std::array{x}, std::move(inverse_temperature));
}

}  // namespace bitwright
