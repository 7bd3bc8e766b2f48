// Element-wise ops and straight-through estimators. A unary op is a pair of functions: its value
// f(x), and its derivative as a function of what it says to read, x or y = f(x).
#include "kernels/elementwise.h"

#include <cmath>
#include <type_traits>

#include "autograd/ops/fused.h"
#include "autograd/ops/helpers.h"

namespace bitwright {
namespace {

enum class Reads { nothing, input, output };
struct Relu;

template <class F>
class Unary final : public Op {
 public:
  explicit Unary(F function = {}) : function_(std::move(function)) {}
  std::string_view name() const override { return F::name; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override { return {in[0]}; }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    for_float_type(in[0].type(), [&, f = function_.bind()]<class T>(T*) {
      kernels::map(in[0].numel(), in[0].as<T>(), out[0].as<T>(),
                   [f](float x) { return f.value(x); });
    });
  }
  void backward(const BackwardArgs& a) override {
    const Tensor &dy = a.output_gradients[0], &read = F::reads == Reads::input    ? a.inputs[0]
                                                      : F::reads == Reads::output ? a.outputs[0]
                                                                                  : dy;
    for_float_type(dy.type(), [&, f = function_.bind()]<class T>(T*) {
      kernels::map(dy.numel(), read.as<T>(), dy.as<T>(), a.input_gradients[0].as<T>(),
                   [f](float v, float g) { return g * f.derivative(v); });
    });
  }
  bool backward_reads_input(std::size_t) const override { return F::reads == Reads::input; }
  bool backward_reads_output(std::size_t) const override { return F::reads == Reads::output; }
  std::unique_ptr<Op> fuse(const Op& next, std::size_t,
                           std::span<const TensorSpec>) const override {
    return std::is_same_v<F, Relu> ? relu_max_pool2d(next) : nullptr;
  }

 private:
  F function_;
};

// Functions without parameters are their own bound form.
template <class Self>
struct Plain {
  Self bind() const { return {}; }
};

struct Relu : Plain<Relu> {
  static constexpr std::string_view name = "relu";
  static constexpr Reads reads = Reads::output;
  float value(float x) const { return x <= 0 ? 0.f : x; }  // NaN stays NaN
  float derivative(float y) const { return y > 0 ? 1.f : 0.f; }
};
struct Exp : Plain<Exp> {
  static constexpr std::string_view name = "exp";
  static constexpr Reads reads = Reads::output;
  float value(float x) const { return std::exp(x); }
  float derivative(float y) const { return y; }
};
struct Log : Plain<Log> {
  static constexpr std::string_view name = "log";
  static constexpr Reads reads = Reads::input;
  float value(float x) const { return std::log(x); }
  float derivative(float x) const { return 1.f / x; }
};
struct Tanh : Plain<Tanh> {
  static constexpr std::string_view name = "tanh";
  static constexpr Reads reads = Reads::output;
  float value(float x) const { return std::tanh(x); }
  float derivative(float y) const { return 1.f - y * y; }
};
struct Sigmoid : Plain<Sigmoid> {
  static constexpr std::string_view name = "sigmoid";
  static constexpr Reads reads = Reads::output;
  float value(float x) const { return 1.f / (1.f + std::exp(-x)); }
  float derivative(float y) const { return y * (1.f - y); }
};
struct Square : Plain<Square> {
  static constexpr std::string_view name = "square";
  static constexpr Reads reads = Reads::input;
  float value(float x) const { return x * x; }
  float derivative(float x) const { return 2.f * x; }
};
struct Sqrt : Plain<Sqrt> {
  static constexpr std::string_view name = "sqrt";
  static constexpr Reads reads = Reads::output;
  float value(float x) const { return std::sqrt(x); }
  float derivative(float y) const { return 0.5f / y; }
};
struct Abs : Plain<Abs> {
  static constexpr std::string_view name = "abs";
  static constexpr Reads reads = Reads::input;
  float value(float x) const { return std::fabs(x); }
  float derivative(float x) const { return static_cast<float>(x > 0) - static_cast<float>(x < 0); }
};
struct SignSte : Plain<SignSte> {
  static constexpr std::string_view name = "sign_ste";
  static constexpr Reads reads = Reads::input;
  float value(float x) const { return x > 0 ? 1.f : -1.f; }
  float derivative(float x) const { return std::fabs(x) <= 1 ? 1.f : 0.f; }
};
struct RoundSte : Plain<RoundSte> {
  static constexpr std::string_view name = "round_ste";
  static constexpr Reads reads = Reads::nothing;
  float value(float x) const { return std::nearbyint(x); }
  float derivative(float) const { return 1.f; }
};

// Functions with parameters read them when a replay begins.
struct Scale {
  static constexpr std::string_view name = "scale";
  static constexpr Reads reads = Reads::nothing;
  struct Bound {
    float factor;
    float value(float x) const { return factor * x; }
    float derivative(float) const { return factor; }
  };
  Bound bind() const { return {static_cast<float>(factor.get())}; }
  Scalar factor;
};
struct Shift {
  static constexpr std::string_view name = "shift";
  static constexpr Reads reads = Reads::nothing;
  struct Bound {
    float term;
    float value(float x) const { return x + term; }
    float derivative(float) const { return 1.f; }
  };
  Bound bind() const { return {static_cast<float>(term.get())}; }
  Scalar term;
};
struct Clamp {
  static constexpr std::string_view name = "clamp";
  static constexpr Reads reads = Reads::input;
  struct Bound {
    float low, high;
    float value(float x) const { return x < low ? low : x > high ? high : x; }
    float derivative(float x) const { return x >= low && x <= high ? 1.f : 0.f; }
  };
  Bound bind() const { return {static_cast<float>(low.get()), static_cast<float>(high.get())}; }
  Scalar low, high;
};

// A binary op gives the derivatives by its two inputs.
template <class F>
class Binary final : public Op {
 public:
  std::string_view name() const override { return F::name; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    require_shape(in[0].shape == in[1].shape && in[0].layout == in[1].layout, name(), in[1].shape);
    require(in[0].type == in[1].type, "element-wise operands of two types");
    return {in[0]};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    for_float_type(in[0].type(), [&]<class T>(T*) {
      kernels::map(in[0].numel(), in[0].as<T>(), in[1].as<T>(), out[0].as<T>(), F::value);
    });
  }
  void backward(const BackwardArgs& a) override {
    const Tensor& dy = a.output_gradients[0];
    const std::int64_t n = dy.numel();
    for_float_type(dy.type(), [&]<class T>(T*) {
      const T* g = dy.as<T>();
      const T* x = F::linear ? g : a.inputs[0].as<T>();  // where nothing is read, dy stands in
      const T* y = F::linear ? g : a.inputs[1].as<T>();
      if (a.input_gradients[0].defined())
        kernels::map(n, x, y, g, a.input_gradients[0].as<T>(), F::by_first);
      if (a.input_gradients[1].defined())
        kernels::map(n, x, y, g, a.input_gradients[1].as<T>(), F::by_second);
    });
  }
  bool backward_reads_input(std::size_t) const override { return !F::linear; }
  bool backward_reads_output(std::size_t) const override { return false; }
};

struct Add {
  static constexpr std::string_view name = "add";
  static constexpr bool linear = true;
  static float value(float x, float y) { return x + y; }
  static float by_first(float, float, float g) { return g; }
  static float by_second(float, float, float g) { return g; }
};
struct Subtract {
  static constexpr std::string_view name = "subtract";
  static constexpr bool linear = true;
  static float value(float x, float y) { return x - y; }
  static float by_first(float, float, float g) { return g; }
  static float by_second(float, float, float g) { return -g; }
};
struct Multiply {
  static constexpr std::string_view name = "multiply";
  static constexpr bool linear = false;
  static float value(float x, float y) { return x * y; }
  static float by_first(float, float y, float g) { return g * y; }
  static float by_second(float x, float, float g) { return g * x; }
};
struct Divide {
  static constexpr std::string_view name = "divide";
  static constexpr bool linear = false;
  static float value(float x, float y) { return x / y; }
  static float by_first(float, float y, float g) { return g / y; }
  static float by_second(float x, float y, float g) { return -g * x / (y * y); }
};

template <class F, class... Parameters>
Variable unary(const Variable& x, Parameters... parameters) {
  return record_op<Unary<F>>(std::array{x}, F{parameters...});
}
template <class F>
Variable binary(const Variable& a, const Variable& b) {
  return record_op<Binary<F>>(std::array{a, b});
}

}  // namespace

Variable add(const Variable& a, const Variable& b) { return binary<Add>(a, b); }
Variable subtract(const Variable& a, const Variable& b) { return binary<Subtract>(a, b); }
Variable multiply(const Variable& a, const Variable& b) { return binary<Multiply>(a, b); }
Variable divide(const Variable& a, const Variable& b) { return binary<Divide>(a, b); }
Variable scale(const Variable& x, Scalar factor) { return unary<Scale>(x, factor); }
Variable shift(const Variable& x, Scalar term) { return unary<Shift>(x, term); }
Variable relu(const Variable& x) { return unary<Relu>(x); }
Variable exp(const Variable& x) { return unary<Exp>(x); }
Variable log(const Variable& x) { return unary<Log>(x); }
Variable tanh(const Variable& x) { return unary<Tanh>(x); }
Variable sigmoid(const Variable& x) { return unary<Sigmoid>(x); }
Variable square(const Variable& x) { return unary<Square>(x); }
Variable sqrt(const Variable& x) { return unary<Sqrt>(x); }
Variable abs(const Variable& x) { return unary<Abs>(x); }
Variable clamp(const Variable& x, Scalar low, Scalar high) { return unary<Clamp>(x, low, high); }
Variable sign_ste(const Variable& x) { return unary<SignSte>(x); }
Variable round_ste(const Variable& x) { return unary<RoundSte>(x); }

}  // namespace bitwright
