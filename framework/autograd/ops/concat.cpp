#include "autograd/ops/helpers.h"
#include "kernels/box_copy.h"

namespace bitwright {
namespace {

class Concat final : public Op {
 public:
  explicit Concat(int axis) : axis_(axis) {}
  std::string_view name() const override { return "concat"; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    const int rank = in[0].shape.rank();
    const auto axis = static_cast<std::size_t>(checked_axis(axis_, rank, name()));
    std::vector<std::int64_t> dims = in[0].shape.dims();
    dims[axis] = 0;
    for (const TensorSpec& part : in) {
      require_floating(part, name());
      std::vector<std::int64_t> rest = part.shape.dims();
      require_shape(part.shape.rank() == rank && part.layout == in[0].layout &&
                        part.type == in[0].type && part.shape.numel() > 0,
                    name(), part.shape);
      dims[axis] += rest[axis];
      rest[axis] = dims[axis];
      require_shape(rest == dims, name(), part.shape);
    }
    const TensorSpec whole{Shape(dims), in[0].type, in[0].layout};
    std::vector<std::int64_t> at(dims.size(), 0);
    const std::vector<std::int64_t> origin(dims.size(), 0);
    for (const TensorSpec& part : in) {
      into_.emplace_back(part.shape.dims(), kernels::Box{part, origin}, kernels::Box{whole, at});
      out_of_.emplace_back(part.shape.dims(), kernels::Box{whole, at}, kernels::Box{part, origin});
      at[axis] += part.shape.dims()[axis];
    }
    return {whole};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    for (std::size_t i = 0; i < in.size(); ++i) into_[i].run(in[i], out[0]);
  }
  void backward(const BackwardArgs& a) override {
    for (std::size_t i = 0; i < a.inputs.size(); ++i)
      if (a.input_gradients[i].defined())
        out_of_[i].run(a.output_gradients[0], a.input_gradients[i]);
  }
  bool backward_reads_input(std::size_t) const override { return false; }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  int axis_;
  std::vector<kernels::BoxCopy> into_, out_of_;  // one per part
};

}  // namespace

Variable concat(const std::vector<Variable>& parts, int axis) {
  require(!parts.empty(), "concat of nothing");
  return parts[0].tape().record(std::make_unique<Concat>(axis), parts);
}

}  // namespace bitwright
