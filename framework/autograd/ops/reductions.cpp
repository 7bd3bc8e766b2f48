// Reductions over all axes or chosen ones. Results are f32; sums are double inside.
#include <cmath>
#include <vector>

#include "autograd/ops/helpers.h"
#include "kernels/broadcast.h"
#include "kernels/elementwise.h"

namespace bitwright {
namespace {

using kernels::Source;

// Where a reduction leads: the spec of its result, and the strides of that along the axes of x.
struct Target {
  TensorSpec result;
  std::vector<std::int64_t> strides;
  std::int64_t terms = 1;  ///< per element of the result

  Target(const TensorSpec& x, const Axes& axes, bool keepdim, std::string_view name) {
    const int rank = x.shape.rank();
    std::vector<bool> reduced(static_cast<std::size_t>(rank), axes.empty());
    for (int axis : axes) reduced[static_cast<std::size_t>(checked_axis(axis, rank, name))] = true;
    std::vector<std::int64_t> kept, with_ones;
    for (std::size_t a = 0; a < reduced.size(); ++a) {
      const std::int64_t size = x.shape.dims()[a];
      if (reduced[a]) terms *= size;
      if (!reduced[a]) kept.push_back(size);
      with_ones.push_back(reduced[a] ? 1 : size);
    }
    result = keepdim ? TensorSpec{Shape(with_ones), DType::f32, x.layout} : TensorSpec{Shape(kept)};
    const std::vector<std::int64_t> own = kernels::strides_of(result);
    for (std::size_t a = 0, next = 0; a < reduced.size(); ++a)
      strides.push_back(reduced[a] ? 0 : keepdim ? own[a] : own[next++]);
  }
};

class Reduce : public Op {
 public:
  Reduce(Axes axes, bool keepdim) : axes_(std::move(axes)), keepdim_(keepdim) {}

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    require_floating(in[0], name());
    require_shape(in[0].shape.numel() > 0, name(), in[0].shape);
    const Target target(in[0], axes_, keepdim_, name());
    space_ = kernels::IndexSpace(in[0], target.strides, target.strides);
    reduction_ = kernels::Reduction(space_, 0);
    terms_ = static_cast<double>(target.terms);
    result_ = target.result;
    return {target.result};
  }

 protected:
  Axes axes_;
  bool keepdim_;
  kernels::IndexSpace space_;
  kernels::Reduction reduction_;
  TensorSpec result_;
  double terms_ = 1;
};

class Total final : public Reduce {
 public:
  Total(bool mean, Axes axes, bool keepdim) : Reduce(std::move(axes), keepdim), mean_(mean) {}
  std::string_view name() const override { return mean_ ? "mean" : "sum"; }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    kernels::reduce_space<kernels::Sum>(
        reduction_, {{}, {}, Source(in[0])}, out[0], [](float, float, float x) { return x; },
        [f = factor()](double total) { return f * total; });
  }
  void backward(const BackwardArgs& a) override {
    kernels::map_space(
        space_, {Source(a.output_gradients[0]), {}, {}}, a.input_gradients[0],
        [f = static_cast<float>(factor())](float dy, float, float) { return f * dy; });
  }
  bool backward_reads_input(std::size_t) const override { return false; }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  double factor() const { return mean_ ? 1 / terms_ : 1; }
  bool mean_;
};

// R is kernels::Max or kernels::Min. Equal extremes share the gradient.
template <class R>
class Extreme final : public Reduce {
 public:
  Extreme(std::string_view name, Axes axes, bool keepdim)
      : Reduce(std::move(axes), keepdim), name_(name) {}
  std::string_view name() const override { return name_; }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    kernels::reduce_space<R>(reduction_, {{}, {}, Source(in[0])}, out[0],
                             [](float, float, float x) { return x; });
  }
  void backward(const BackwardArgs& a) override {
    if (!winners_.defined()) winners_ = Tensor::empty(result_), share_ = Tensor::empty(result_);
    const kernels::Sources with_y{{}, Source(a.outputs[0]), Source(a.inputs[0])};
    kernels::reduce_space<kernels::Sum>(reduction_, with_y, winners_,
                                        [](float, float y, float x) { return x == y ? 1.f : 0.f; });
    kernels::map(share_.numel(), a.output_gradients[0].f32(), winners_.f32(), share_.f32(),
                 [](float dy, float winners) { return dy / winners; });
    kernels::map_space(space_, {Source(share_), Source(a.outputs[0]), Source(a.inputs[0])},
                       a.input_gradients[0],
                       [](float part, float y, float x) { return x == y ? part : 0.f; });
  }

 private:
  std::string_view name_;
  Tensor winners_, share_;  // how many equal the extreme, and dy divided by that
};

class Variance final : public Reduce {
 public:
  Variance(Axes axes, bool keepdim, std::int64_t correction)
      : Reduce(std::move(axes), keepdim), correction_(static_cast<double>(correction)) {}
  std::string_view name() const override { return "variance"; }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    require(terms_ > correction_, "variance: too few elements for the correction");
    if (!mean_.defined()) mean_ = Tensor::empty(result_);
    kernels::reduce_space<kernels::Sum>(
        reduction_, {{}, {}, Source(in[0])}, mean_, [](float, float, float x) { return x; },
        [n = terms_](double total) { return total / n; });
    kernels::reduce_space<kernels::Sum>(
        reduction_, {Source(mean_), {}, Source(in[0])}, out[0],
        [](float mean, float, float x) { return (x - mean) * (x - mean); },
        [n = terms_ - correction_](double total) { return total / n; });
  }
  void backward(const BackwardArgs& a) override {
    kernels::map_space(space_, {Source(a.output_gradients[0]), Source(mean_), Source(a.inputs[0])},
                       a.input_gradients[0],
                       [f = static_cast<float>(2 / (terms_ - correction_))](
                           float dy, float mean, float x) { return f * dy * (x - mean); });
  }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  double correction_;
  Tensor mean_;
};

class Norm final : public Reduce {
 public:
  using Reduce::Reduce;
  std::string_view name() const override { return "norm"; }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    kernels::reduce_space<kernels::Sum>(
        reduction_, {{}, {}, Source(in[0])}, out[0], [](float, float, float x) { return x * x; },
        [](double total) { return std::sqrt(total); });
  }
  void backward(const BackwardArgs& a) override {
    kernels::map_space(
        space_, {Source(a.output_gradients[0]), Source(a.outputs[0]), Source(a.inputs[0])},
        a.input_gradients[0], [](float dy, float y, float x) { return y == 0 ? 0.f : dy * x / y; });
  }
};

}  // namespace

Variable sum(const Variable& x, const Axes& axes, bool keepdim) {
  return record_op<Total>(std::array{x}, false, axes, keepdim);
}
Variable mean(const Variable& x, const Axes& axes, bool keepdim) {
  return record_op<Total>(std::array{x}, true, axes, keepdim);
}
Variable max(const Variable& x, const Axes& axes, bool keepdim) {
  return record_op<Extreme<kernels::Max>>(std::array{x}, "max", axes, keepdim);
}
Variable min(const Variable& x, const Axes& axes, bool keepdim) {
  return record_op<Extreme<kernels::Min>>(std::array{x}, "min", axes, keepdim);
}
Variable variance(const Variable& x, const Axes& axes, bool keepdim, std::int64_t correction) {
  return record_op<Variance>(std::array{x}, axes, keepdim, correction);
}
Variable norm(const Variable& x, const Axes& axes, bool keepdim) {
  return record_op<Norm>(std::array{x}, axes, keepdim);
}

}  // namespace bitwright
