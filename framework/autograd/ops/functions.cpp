// Functions of one variable.
#include <cmath>

#include <bitwright/core/vector_math.h>

#include "autograd/ops/unary.h"

namespace bitwright {
namespace {

struct Exp : Plain<Exp> {
  static constexpr std::string_view name = "exp";
  static constexpr Reads reads = Reads::output;
  float value(float x) const { return vector_exp(x); }
  float derivative(float y) const { return y; }
};
struct Log : Plain<Log> {
  static constexpr std::string_view name = "log";
  static constexpr Reads reads = Reads::input;
  float value(float x) const { return std::log(x); }
  float derivative(float x) const { return 1.f / x; }
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
struct Negate : Plain<Negate> {
  static constexpr std::string_view name = "negate";
  static constexpr Reads reads = Reads::nothing;
  float value(float x) const { return -x; }
  float derivative(float) const { return -1.f; }
};

// Functions with parameters read them when a replay begins.
struct Pow {
  static constexpr std::string_view name = "pow";
  static constexpr Reads reads = Reads::input;
  struct Bound {
    float exponent;
    float value(float x) const { return std::pow(x, exponent); }
    float derivative(float x) const {
      return exponent == 0 ? 0.f : exponent * std::pow(x, exponent - 1);
    }
  };
  Bound bind() const { return {static_cast<float>(exponent.get())}; }
  Scalar exponent;
};
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

}  // namespace

Variable scale(const Variable& x, Scalar factor) { return unary<Scale>(x, factor); }
Variable shift(const Variable& x, Scalar term) { return unary<Shift>(x, term); }
Variable negate(const Variable& x) { return unary<Negate>(x); }
Variable pow(const Variable& x, Scalar exponent) { return unary<Pow>(x, exponent); }
Variable exp(const Variable& x) { return unary<Exp>(x); }
Variable log(const Variable& x) { return unary<Log>(x); }
Variable square(const Variable& x) { return unary<Square>(x); }
Variable sqrt(const Variable& x) { return unary<Sqrt>(x); }
Variable abs(const Variable& x) { return unary<Abs>(x); }
Variable clamp(const Variable& x, Scalar low, Scalar high) { return unary<Clamp>(x, low, high); }

}  // namespace bitwright
