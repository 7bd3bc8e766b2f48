#include <vector>

#include "autograd/ops/fused.h"
#include "autograd/ops/pool_plan.h"

namespace bitwright {
namespace {

class MaxPool2d final : public Op {
 public:
  MaxPool2d(std::int64_t size, std::int64_t stride, std::int64_t padding, bool relu = false)
      : size_(size), stride_(stride), padding_(padding), relu_(relu) {}
  std::string_view name() const override { return relu_ ? "relu+max_pool2d" : "max_pool2d"; }
  std::unique_ptr<Op> with_relu() const {
    return std::make_unique<MaxPool2d>(size_, stride_, padding_, true);
  }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    plan_ = pool_plan(in[0], size_, stride_, padding_, name());
    plan_.relu = relu_;
    require(size_ <= kernels::kLargestWindow, "max_pool2d: a window that is too large");
    const Shape y{plan_.n, plan_.c, plan_.out_h(), plan_.out_w()};
    winners_ = std::vector<kernels::Winner>(static_cast<std::size_t>(y.numel()));
    return {{y, in[0].type, Layout::channels_last}};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    for_float_type(in[0].type(), [&]<class T>(T*) {
      kernels::max_pool_forward(plan_, in[0].as<T>(), out[0].as<T>(), winners_.data());
    });
  }
  void backward(const BackwardArgs& a) override {
    for_float_type(a.output_gradients[0].type(), [&]<class T>(T*) {
      kernels::max_pool_backward(plan_, winners_.data(), a.output_gradients[0].as<T>(),
                                 a.input_gradients[0].as<T>());
    });
  }
  bool backward_reads_input(std::size_t) const override { return false; }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  std::int64_t size_, stride_, padding_;
  bool relu_;
  kernels::PoolPlan plan_;
  std::vector<kernels::Winner> winners_;
};

}  // namespace

std::unique_ptr<Op> relu_max_pool2d(const Op& pool) {
  const auto* p = dynamic_cast<const MaxPool2d*>(&pool);
  return p == nullptr ? nullptr : p->with_relu();
}

Variable max_pool2d(const Variable& x, std::int64_t size, std::int64_t stride,
                    std::int64_t padding) {
  return record_op<MaxPool2d>(std::array{x}, size, stride, padding);
}

}  // namespace bitwright
