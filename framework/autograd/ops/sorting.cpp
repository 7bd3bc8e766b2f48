#include "kernels/sorting.h"

#include "autograd/ops/helpers.h"

namespace bitwright {
namespace {

kernels::LinePlan line_plan(const TensorSpec& x, int axis, std::string_view op) {
  require_floating(x, op);
  require_shape(x.layout == Layout::plain && x.shape.numel() > 0, op, x.shape);
  axis = checked_axis(axis, x.shape.rank(), op);
  kernels::LinePlan plan;
  plan.length = x.shape[axis];
  for (int k = 0; k < x.shape.rank(); ++k) {
    if (k < axis) plan.outer *= x.shape[k];
    if (k > axis) plan.inner *= x.shape[k];
  }
  return plan;
}

// Room for one 64-bit key per element.
Tensor key_scratch(const Shape& shape) {
  return Tensor::empty({Shape{shape.numel(), 2}, DType::i32});
}
std::uint64_t* keys_of(Tensor& scratch) { return static_cast<std::uint64_t*>(scratch.data()); }

// Outputs: the values, and the position that each came from.
class Sort final : public Op {
 public:
  explicit Sort(int axis) : axis_(axis) {}
  std::string_view name() const override { return "sort"; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    plan_ = line_plan(in[0], axis_, name());
    keys_ = key_scratch(in[0].shape);
    return {in[0], {in[0].shape, DType::i32}};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    for_float_type(in[0].type(), [&]<class T>(T*) {
      kernels::sort_lines(plan_, in[0].as<T>(), out[0].as<T>(), out[1].i32(), keys_of(keys_));
    });
  }
  void backward(const BackwardArgs& a) override {
    for_float_type(a.input_gradients[0].type(), [&]<class T>(T*) {
      kernels::unsort_lines(plan_, a.outputs[1].i32(), a.output_gradients[0].as<T>(),
                            a.input_gradients[0].as<T>());
    });
  }
  bool backward_reads_input(std::size_t) const override { return false; }
  bool backward_reads_output(std::size_t k) const override { return k == 1; }

 private:
  int axis_;
  kernels::LinePlan plan_;
  Tensor keys_;
};

class Quantile final : public Op {
 public:
  Quantile(Scalar q, std::optional<int> axis, bool keepdim)
      : q_(std::move(q)), axis_(axis), keepdim_(keepdim) {}
  std::string_view name() const override { return "quantile"; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    keys_ = key_scratch(in[0].shape);
    if (!axis_) {  // one line, in whatever order it lies
      plan_ = line_plan({Shape{in[0].shape.numel()}, in[0].type}, 0, name());
      index_ = Tensor::empty({Shape{1, 2}, DType::i32});
      const std::vector<std::int64_t> ones(in[0].shape.dims().size(), 1);
      return {keepdim_ ? TensorSpec{Shape(ones), DType::f32, in[0].layout} : TensorSpec{Shape{}}};
    }
    plan_ = line_plan(in[0], *axis_, name());
    index_ = Tensor::empty({Shape{plan_.lines(), 2}, DType::i32});
    std::vector<std::int64_t> dims = in[0].shape.dims();
    const auto at = dims.begin() + checked_axis(*axis_, in[0].shape.rank(), name());
    keepdim_ ? void(*at = 1) : void(dims.erase(at));
    return {{Shape(dims)}};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    const double q = q_.get();
    require(q >= 0 && q <= 1, "quantile: q outside [0, 1]");
    for_float_type(in[0].type(), [&]<class T>(T*) {
      kernels::quantile_lines(plan_, q, in[0].as<T>(), out[0].f32(), index_.i32(), keys_of(keys_));
    });
  }
  void backward(const BackwardArgs& a) override {
    for_float_type(a.input_gradients[0].type(), [&]<class T>(T*) {
      kernels::quantile_lines_backward(plan_, q_.get(), index_.i32(), a.output_gradients[0].f32(),
                                       a.input_gradients[0].as<T>());
    });
  }
  bool backward_reads_input(std::size_t) const override { return false; }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  Scalar q_;
  std::optional<int> axis_;
  bool keepdim_;
  kernels::LinePlan plan_;
  Tensor keys_, index_;
};

}  // namespace

Sorted sort(const Variable& x, int axis) {
  const auto outputs = x.tape().record_many(std::make_unique<Sort>(axis), std::array{x});
  return {outputs[0], outputs[1]};
}

Variable quantile(const Variable& x, Scalar q, std::optional<int> axis, bool keepdim) {
  return record_op<Quantile>(std::array{x}, std::move(q), axis, keepdim);
}

}  // namespace bitwright
