#include "autograd/ops/helpers.h"
#include "kernels/box_copy.h"

namespace bitwright {
namespace {

class Slice final : public Op {
 public:
  Slice(int axis, std::int64_t begin, std::int64_t end, std::int64_t step)
      : axis_(axis), begin_(begin), end_(end), step_(step) {}
  std::string_view name() const override { return "slice"; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    require_floating(in[0], name());
    const int axis = checked_axis(axis_, in[0].shape.rank(), name());
    std::vector<std::int64_t> dims = in[0].shape.dims();
    const auto a = static_cast<std::size_t>(axis);
    require_shape(step_ >= 1 && begin_ >= 0 && begin_ < end_ && end_ <= dims[a], name(),
                  in[0].shape);
    dims[a] = (end_ - begin_ + step_ - 1) / step_;
    const TensorSpec result{Shape(dims), in[0].type, in[0].layout};
    const std::vector<std::int64_t> origin(dims.size(), 0);
    std::vector<std::int64_t> corner = origin;
    corner[a] = begin_;
    const kernels::Box small{result, origin}, part{in[0], corner, step_, axis};
    out_of_ = kernels::BoxCopy(dims, part, small);
    into_ = kernels::BoxCopy(dims, small, part);
    return {result};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    out_of_.run(in[0], out[0]);
  }
  void backward(const BackwardArgs& a) override {
    a.input_gradients[0].fill(0);
    into_.run(a.output_gradients[0], a.input_gradients[0]);
  }
  bool backward_reads_input(std::size_t) const override { return false; }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  int axis_;
  std::int64_t begin_, end_, step_;
  kernels::BoxCopy into_, out_of_;
};

}  // namespace

Variable slice(const Variable& x, int axis, std::int64_t begin, std::int64_t end,
               std::int64_t step) {
  return record_op<Slice>(std::array{x}, axis, begin, end, step);
}

}  // namespace bitwright
