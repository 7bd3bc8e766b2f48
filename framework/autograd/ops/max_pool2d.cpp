#include "autograd/ops/helpers.h"
#include "kernels/pooling.h"

namespace bitwright {
namespace {

class MaxPool2d final : public Op {
 public:
  MaxPool2d(std::int64_t size, std::int64_t stride, std::int64_t padding)
      : size_(size), stride_(stride), padding_(padding) {}
  std::string_view name() const override { return "max_pool2d"; }

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
             .padding = padding_};
    const std::int64_t least = size_ - 2 * padding_;
    require_shape(size_ >= 1 && x[2] >= least && x[3] >= least, name(), x);
    const Shape y{x[0], x[1], plan_.out_h(), plan_.out_w()};
    return {{y, DType::f32, Layout::channels_last}};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    kernels::max_pool_forward(plan_, in[0].f32(), out[0].f32());
  }
  void backward(const BackwardArgs& a) override {
    kernels::max_pool_backward(plan_, a.inputs[0].f32(), a.outputs[0].f32(),
                               a.output_gradients[0].f32(), a.input_gradients[0].f32());
  }

 private:
  std::int64_t size_, stride_, padding_;
  kernels::PoolPlan plan_;
};

}  // namespace

Variable max_pool2d(const Variable& x, std::int64_t size, std::int64_t stride,
                    std::int64_t padding) {
  return record_op<MaxPool2d>(std::array{x}, size, stride, padding);
}

}  // namespace bitwright
