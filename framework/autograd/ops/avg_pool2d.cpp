#include "autograd/ops/pool_plan.h"
#include "kernels/pooling.h"

namespace bitwright {
namespace {

class AvgPool2d final : public Op {
 public:
  AvgPool2d(std::int64_t size, std::int64_t stride, std::int64_t padding)
      : size_(size), stride_(stride), padding_(padding) {}
  std::string_view name() const override { return "avg_pool2d"; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    plan_ = pool_plan(in[0], size_, stride_, padding_, name());
    const Shape y{plan_.n, plan_.c, plan_.out_h(), plan_.out_w()};
    return {{y, in[0].type, Layout::channels_last}};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    for_float_type(in[0].type(), [&]<class T>(T*) {
      kernels::avg_pool_forward(plan_, in[0].as<T>(), out[0].as<T>());
    });
  }
  void backward(const BackwardArgs& a) override {
    for_float_type(a.input_gradients[0].type(), [&]<class T>(T*) {
      kernels::avg_pool_backward(plan_, a.output_gradients[0].as<T>(),
                                 a.input_gradients[0].as<T>());
    });
  }
  bool backward_reads_input(std::size_t) const override { return false; }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  std::int64_t size_, stride_, padding_;
  kernels::PoolPlan plan_;
};

}  // namespace

Variable avg_pool2d(const Variable& x, std::int64_t size, std::int64_t stride,
                    std::int64_t padding) {
  return record_op<AvgPool2d>(std::array{x}, size, stride, padding);
}

}  // namespace bitwright
