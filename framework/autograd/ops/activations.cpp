// Activation functions. NaN stays NaN in all of them.
#include <bitwright/core/vector_math.h>

#include "autograd/ops/fused.h"
#include "autograd/ops/unary.h"

namespace bitwright {
namespace {

struct Relu : Plain<Relu> {
  static constexpr std::string_view name = "relu";
  static constexpr Reads reads = Reads::output;
  float value(float x) const { return x <= 0 ? 0.f : x; }
  float derivative(float y) const { return y > 0 ? 1.f : 0.f; }
  static std::unique_ptr<Op> fuse(const Op& next) { return relu_max_pool2d(next); }
};
struct Relu6 : Plain<Relu6> {
  static constexpr std::string_view name = "relu6";
  static constexpr Reads reads = Reads::output;
  float value(float x) const { return x < 0 ? 0.f : x > 6 ? 6.f : x; }
  float derivative(float y) const { return y > 0 && y < 6 ? 1.f : 0.f; }
};
struct HardTanh : Plain<HardTanh> {
  static constexpr std::string_view name = "hard_tanh";
  static constexpr Reads reads = Reads::output;
  float value(float x) const { return x < -1 ? -1.f : x > 1 ? 1.f : x; }
  float derivative(float y) const { return y > -1 && y < 1 ? 1.f : 0.f; }
};
struct Tanh : Plain<Tanh> {
  static constexpr std::string_view name = "tanh";
  static constexpr Reads reads = Reads::output;
  float value(float x) const { return vector_tanh(x); }
  float derivative(float y) const { return 1.f - y * y; }
};
struct Sigmoid : Plain<Sigmoid> {
  static constexpr std::string_view name = "sigmoid";
  static constexpr Reads reads = Reads::output;
  float value(float x) const { return vector_sigmoid(x); }
  float derivative(float y) const { return y * (1.f - y); }
};
struct LeakyRelu {
  static constexpr std::string_view name = "leaky_relu";
  static constexpr Reads reads = Reads::input;
  struct Bound {
    float slope;
    float value(float x) const { return x > 0 ? x : slope * x; }
    float derivative(float x) const { return x > 0 ? 1.f : slope; }
  };
  Bound bind() const { return {static_cast<float>(slope.get())}; }
  Scalar slope;
};

}  // namespace

Variable relu(const Variable& x) { return unary<Relu>(x); }
Variable relu6(const Variable& x) { return unary<Relu6>(x); }
Variable leaky_relu(const Variable& x, Scalar slope) { return unary<LeakyRelu>(x, slope); }
Variable tanh(const Variable& x) { return unary<Tanh>(x); }
Variable sigmoid(const Variable& x) { return unary<Sigmoid>(x); }
Variable hard_tanh(const Variable& x) { return unary<HardTanh>(x); }

}  // namespace bitwright
