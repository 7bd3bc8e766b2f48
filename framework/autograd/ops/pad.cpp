#include "autograd/ops/helpers.h"
#include "kernels/box_copy.h"

namespace bitwright {
namespace {

class Pad final : public Op {
 public:
  Pad(std::vector<Padding> padding, Scalar value)
      : padding_(std::move(padding)), value_(std::move(value)) {}
  std::string_view name() const override { return "pad"; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    std::vector<std::int64_t> dims = in[0].shape.dims(), corner;
    require_floating(in[0], name());
    require_shape(padding_.size() == dims.size() && in[0].shape.numel() > 0, name(), in[0].shape);
    for (std::size_t a = 0; a < dims.size(); ++a) {
      require(padding_[a].before >= 0 && padding_[a].after >= 0, "pad: a negative amount");
      corner.push_back(padding_[a].before);
      dims[a] += padding_[a].before + padding_[a].after;
    }
    const TensorSpec result{Shape(dims), in[0].type, in[0].layout};
    const kernels::Box small{in[0], std::vector<std::int64_t>(dims.size(), 0)};
    const kernels::Box large{result, corner};
    into_ = kernels::BoxCopy(in[0].shape.dims(), small, large);
    out_of_ = kernels::BoxCopy(in[0].shape.dims(), large, small);
    return {result};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    out[0].fill(static_cast<float>(value_.get()));
    into_.run(in[0], out[0]);
  }
  void backward(const BackwardArgs& a) override {
    out_of_.run(a.output_gradients[0], a.input_gradients[0]);
  }
  bool backward_reads_input(std::size_t) const override { return false; }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  std::vector<Padding> padding_;
  Scalar value_;
  kernels::BoxCopy into_, out_of_;
};

}  // namespace

Variable pad(const Variable& x, const std::vector<Padding>& padding, Scalar value) {
  return record_op<Pad>(std::array{x}, padding, std::move(value));
}

}  // namespace bitwright
