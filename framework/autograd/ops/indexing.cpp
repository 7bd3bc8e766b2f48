#include "kernels/indexing.h"

#include "autograd/ops/helpers.h"
#include "kernels/elementwise.h"

namespace bitwright {
namespace {

// Inputs: x and the indices. `each`: one list of indices for all of x (index_select), or one index
// per element of the result (gather).
class Gather final : public Op {
 public:
  Gather(int axis, bool each) : axis_(axis), each_(each) {}
  std::string_view name() const override { return each_ ? "gather" : "index_select"; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    const Shape &x = in[0].shape, &index = in[1].shape;
    require_floating(in[0], name());
    require_shape(in[0].layout == Layout::plain && x.numel() > 0, name(), x);
    const int axis = checked_axis(axis_, x.rank(), name());
    const auto a = static_cast<std::size_t>(axis);
    require_shape(in[1].type == DType::i32 && in[1].layout == Layout::plain && index.numel() > 0 &&
                      index.rank() == (each_ ? x.rank() : 1),
                  name(), index);
    std::vector<std::int64_t> dims = x.dims();
    dims[a] = index[each_ ? axis : 0];
    if (each_) require_shape(index.dims() == dims, name(), index);
    plan_.length = x[axis], plan_.picked = dims[a];
    for (int k = 0; k < x.rank(); ++k) {
      if (k < axis) plan_.outer *= x[k];
      if (k > axis) plan_.inner *= x[k];
    }
    if (in[0].type == DType::bf16) sums_ = Tensor::empty(x);
    return {{Shape(dims), in[0].type}};
  }

  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    require(
        kernels::in_range(in[1].numel(), in[1].i32(), plan_.length),
        each_ ? "gather: an index outside the axis" : "index_select: an index outside the axis");
    for_float_type(in[0].type(), [&]<class T>(T*) {
      if (each_)
        kernels::gather(plan_, in[1].i32(), in[0].as<T>(), out[0].as<T>());
      else
        kernels::select(plan_, in[1].i32(), in[0].as<T>(), out[0].as<T>());
    });
  }

  // Sums of bf16 gradients are kept in f32 until they are complete.
  void backward(const BackwardArgs& a) override {
    for_float_type(a.input_gradients[0].type(), [&]<class T>(T*) {
      const bool narrow = sums_.defined();
      float* const dx = narrow ? sums_.f32() : a.input_gradients[0].f32();
      const T* const dy = a.output_gradients[0].as<T>();
      if (each_)
        kernels::gather_backward(plan_, a.inputs[1].i32(), dy, dx);
      else
        kernels::select_backward(plan_, a.inputs[1].i32(), dy, dx);
      if (narrow)
        kernels::map(sums_.numel(), dx, a.input_gradients[0].as<T>(), [](float v) { return v; });
    });
  }
  bool backward_reads_input(std::size_t k) const override { return k == 1; }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  int axis_;
  bool each_;
  kernels::GatherPlan plan_;
  Tensor sums_;
};

}  // namespace

Variable index_select(const Variable& x, int axis, const Variable& indices) {
  return record_op<Gather>(std::array{x, indices}, axis, false);
}
Variable gather(const Variable& x, int axis, const Variable& indices) {
  return record_op<Gather>(std::array{x, indices}, axis, true);
}

}  // namespace bitwright
