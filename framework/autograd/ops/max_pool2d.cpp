#include <vector>

#include "autograd/ops/fused.h"
#include "autograd/ops/helpers.h"
#include "kernels/max_pool.h"

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
    const Shape& x = in[0].shape;
    require_shape(x.rank() == 4 && in[0].layout == Layout::channels_last, name(), x);
    require(stride_ >= 1, "max_pool2d: stride");
    require(padding_ >= 0 && 2 * padding_ <= size_, "max_pool2d: padding");
    plan_ = {.n = x[0],
             .c = x[1],
             .h = x[2],
             .w = x[3],
             .size = size_,
             .stride = stride_,
             .padding = padding_,
             .relu = relu_};
    const std::int64_t least = size_ - 2 * padding_;
    require_shape(size_ >= 1 && size_ <= kernels::kLargestWindow && x[2] >= least && x[3] >= least,
                  name(), x);
    const Shape y{x[0], x[1], plan_.out_h(), plan_.out_w()};
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
