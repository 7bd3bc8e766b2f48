// Losses that compare two tensors of equal shape.
#include <cmath>

#include "autograd/ops/helpers.h"
#include "kernels/elementwise.h"

namespace bitwright {
namespace {

// F: the term of one pair of elements, and its derivatives by both. The loss is the sum of the
// terms divided by the number of elements (mse) or of rows (kl_divergence).
template <class F>
class PairLoss final : public Op {
 public:
  std::string_view name() const override { return F::name; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    require_shape(in[0].shape == in[1].shape && in[0].layout == in[1].layout, name(), in[1].shape);
    require_shape(in[0].shape.numel() > 0, name(), in[0].shape);
    divisor_ = static_cast<double>(F::divisor(in[0].shape));
    return {{Shape{}}};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    const double total =
        kernels::sum_of(in[0].numel(), in[0].f32(), in[1].f32(),
                        [](float x, float y) { return static_cast<double>(F::term(x, y)); });
    *out[0].f32() = static_cast<float>(total / divisor_);
  }
  void backward(const BackwardArgs& a) override {
    const float factor =
        static_cast<float>(static_cast<double>(a.output_gradients[0].item()) / divisor_);
    const std::int64_t n = a.inputs[0].numel();
    const float *x = a.inputs[0].f32(), *y = a.inputs[1].f32();
    if (a.input_gradients[0].defined())
      kernels::map(n, x, y, a.input_gradients[0].f32(),
                   [factor](float u, float v) { return factor * F::by_first(u, v); });
    if (a.input_gradients[1].defined())
      kernels::map(n, x, y, a.input_gradients[1].f32(),
                   [factor](float u, float v) { return factor * F::by_second(u, v); });
  }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  double divisor_ = 1;
};

struct Mse {
  static constexpr std::string_view name = "mse";
  static std::int64_t divisor(const Shape& shape) { return shape.numel(); }
  static float term(float x, float y) { return (x - y) * (x - y); }
  static float by_first(float x, float y) { return 2 * (x - y); }
  static float by_second(float x, float y) { return 2 * (y - x); }
};
struct Kl {
  static constexpr std::string_view name = "kl_divergence";
  static std::int64_t divisor(const Shape& shape) { return shape.rank() == 0 ? 1 : shape[0]; }
  static float term(float log_p, float q) { return q > 0 ? q * (std::log(q) - log_p) : 0.f; }
  static float by_first(float, float q) { return q > 0 ? -q : 0.f; }
  static float by_second(float log_p, float q) { return q > 0 ? std::log(q) + 1 - log_p : 0.f; }
};

}  // namespace

Variable mse(const Variable& x, const Variable& y) {
  return record_op<PairLoss<Mse>>(std::array{x, y});
}
Variable kl_divergence(const Variable& log_p, const Variable& q) {
  return record_op<PairLoss<Kl>>(std::array{log_p, q});
}

}  // namespace bitwright
