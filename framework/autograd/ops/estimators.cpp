// Straight-through estimators: the forward is a step function whose derivative is zero almost
// everywhere; the backward is the derivative of the map that stands in for it.
#include <cmath>

#include <bitwright/core/vector_math.h>

#include "autograd/ops/unary.h"

namespace bitwright {
namespace {

float sign_of(float x) { return x > 0 ? 1.f : -1.f; }

struct SignClipped : Plain<SignClipped> {
  static constexpr std::string_view name = "sign_ste";
  static constexpr Reads reads = Reads::input;
  float value(float x) const { return sign_of(x); }
  float derivative(float x) const { return std::fabs(x) <= 1 ? 1.f : 0.f; }
};
struct SignIdentity : Plain<SignIdentity> {
  static constexpr std::string_view name = "sign_ste_identity";
  static constexpr Reads reads = Reads::nothing;
  float value(float x) const { return sign_of(x); }
  float derivative(float) const { return 1.f; }
};
struct SignTanh {
  static constexpr std::string_view name = "sign_ste_tanh";
  static constexpr Reads reads = Reads::input;
  struct Bound {
    float steepness;
    float value(float x) const { return sign_of(x); }
    // 1 - tanh^2 would cancel where tanh is near 1; it is cosh^-2 = 4 e / (1 + e)^2.
    float derivative(float x) const {
      const float e = vector_exp(-2.f * std::fabs(steepness * x));
      return 4.f * steepness * e / ((1.f + e) * (1.f + e));
    }
  };
  Bound bind() const { return {static_cast<float>(steepness.get())}; }
  Scalar steepness;
};
struct RoundIdentity : Plain<RoundIdentity> {
  static constexpr std::string_view name = "round_ste";
  static constexpr Reads reads = Reads::nothing;
  float value(float x) const { return std::nearbyint(x); }
  float derivative(float) const { return 1.f; }
};
struct FloorIdentity : Plain<FloorIdentity> {
  static constexpr std::string_view name = "floor_ste";
  static constexpr Reads reads = Reads::nothing;
  float value(float x) const { return std::floor(x); }
  float derivative(float) const { return 1.f; }
};
struct ClampIdentity {
  static constexpr std::string_view name = "clamp_ste";
  static constexpr Reads reads = Reads::nothing;
  struct Bound {
    float low, high;
    float value(float x) const { return x < low ? low : x > high ? high : x; }
    float derivative(float) const { return 1.f; }
  };
  Bound bind() const { return {static_cast<float>(low.get()), static_cast<float>(high.get())}; }
  Scalar low, high;
};

}  // namespace

Variable sign_ste(const Variable& x) { return unary<SignClipped>(x); }
Variable sign_ste_identity(const Variable& x) { return unary<SignIdentity>(x); }
Variable sign_ste_tanh(const Variable& x, Scalar steepness) {
  return unary<SignTanh>(x, steepness);
}
Variable round_ste(const Variable& x) { return unary<RoundIdentity>(x); }
Variable floor_ste(const Variable& x) { return unary<FloorIdentity>(x); }
Variable clamp_ste(const Variable& x, Scalar low, Scalar high) {
  return unary<ClampIdentity>(x, low, high);
}

}  // namespace bitwright
