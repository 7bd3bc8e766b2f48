// Gradients of the activation functions and of the other straight-through estimators, in f32 and,
// by stated formulas, in bf16.
#include <doctest/doctest.h>

#include "gradient_check.h"

namespace bitwright::gradient_check {
namespace {

using naive::to_tensor;

const std::vector<TensorSpec> kSpecs{
    {Shape{7}}, {Shape{3, 5}}, {Shape{2, 3, 1, 4}, DType::f32, Layout::channels_last}};

Array map(const Array& x, const std::function<double(double)>& f) {
  Array y = x;
  for (double& v : y.values) v = f(v);
  return y;
}
double to_bf16(double v) { return static_cast<double>(float(bfloat16(static_cast<float>(v)))); }

// The derivative is a function of x and of y = f(x), which in bf16 is the rounded one.
struct Activation {
  const char* name;
  std::function<Variable(const Variable&)> op;
  std::function<double(double)> value;
  std::function<double(double x, double y)> derivative;
  double low, high;
  std::vector<double> kinks = {};
  bool step_function = false;  ///< the derivative is a stand-in: no finite differences
};

Input input_of(const Activation& a, const TensorSpec& spec, std::uint64_t seed) {
  Array x = naive::random(Rng(seed, "activation"), spec.shape, a.low, a.high);
  for (std::int64_t i = 0; i < x.size(); ++i)
    for (double kink : a.kinks)
      if (std::abs(x[i] - kink) < 0.25) x[i] = kink + (x[i] < kink ? -0.25 : 0.25);
  return {to_tensor(x, spec.layout)};
}

Case f32_case(const Activation& a, const TensorSpec& spec, std::uint64_t seed) {
  Case c{a.name, spec.shape.str(), {input_of(a, spec, seed)}};
  c.build = [a](const auto& in) { return a.op(in[0]); };
  c.forward = [a](const Sample& s) { return map(s.inputs[0], a.value); };
  const auto slope = [a](double x) { return a.derivative(x, a.value(x)); };
  if (!a.kinks.empty())  // the piece on either side of each kink: its gradient, or its mask
    for (bool above : {false, true})
      c.terms.push_back({above ? "above the kinks" : "below the kinks", 0, [=](const Sample& s) {
                           Array d = s.dy;
                           for (std::int64_t i = 0; i < d.size(); ++i) {
                             const double x = s.inputs[0][i];
                             const bool there = above ? x > a.kinks.back() : x < a.kinks.front();
                             d[i] *= !there ? 0 : slope(x) != 0 ? slope(x) : -1;
                           }
                           return d;
                         }});
  if (a.step_function)
    c.surrogate = [=](const Sample& s) {
      Array d = s.dy;
      for (std::int64_t i = 0; i < d.size(); ++i) d[i] *= slope(s.inputs[0][i]);
      return d;
    };
  return c;
}

Case bf16_case(const Activation& a, const TensorSpec& spec, std::uint64_t seed) {
  Case c{a.name, spec.shape.str() + ", bf16", {input_of(a, spec, seed)}};
  c.build = [a](const auto& in) { return cast(a.op(cast(in[0], DType::bf16)), DType::f32); };
  const auto value = [a](double x) { return to_bf16(a.value(to_bf16(x))); };
  c.forward = [=](const Sample& s) { return map(s.inputs[0], value); };
  c.surrogate = [=](const Sample& s) {
    Array d = s.dy;
    for (std::int64_t i = 0; i < d.size(); ++i) {
      const double x = to_bf16(s.inputs[0][i]);
      d[i] = to_bf16(to_bf16(d[i]) * a.derivative(x, value(x)));
    }
    return d;
  };
  return c;
}

const std::vector<Activation>& activations() {
  static const std::vector<Activation> all{
      {"relu",
       relu,
       [](double x) { return std::max(x, 0.0); },
       [](double x, double) { return x > 0; },
       -2,
       2,
       {0}},
      {"relu6",
       relu6,
       [](double x) { return std::clamp(x, 0.0, 6.0); },
       [](double x, double) { return x > 0 && x < 6; },
       -4,
       10,
       {0, 6}},
      {"hard_tanh",
       hard_tanh,
       [](double x) { return std::clamp(x, -1.0, 1.0); },
       [](double x, double) { return x > -1 && x < 1; },
       -2,
       2,
       {-1, 1}},
      {"leaky_relu",
       [](const Variable& x) { return leaky_relu(x, 0.125); },
       [](double x) { return x > 0 ? x : 0.125 * x; },
       [](double x, double) { return x > 0 ? 1 : 0.125; },
       -2,
       2,
       {0}},
      {"tanh", tanh, [](double x) { return std::tanh(x); },
       [](double, double y) { return 1 - y * y; }, -2, 2},
      {"sigmoid", sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); },
       [](double, double y) { return y * (1 - y); }, -3, 3},
      {"negate", negate, [](double x) { return -x; }, [](double, double) { return -1; }, -2, 2},
      {"pow", [](const Variable& x) { return pow(x, 2.5); },
       [](double x) { return std::pow(x, 2.5); },
       [](double x, double) { return 2.5 * std::pow(x, 1.5); }, 1, 3},
      {"sign_ste_identity",
       sign_ste_identity,
       [](double x) { return x > 0 ? 1 : -1; },
       [](double, double) { return 1; },
       -3,
       3,
       {},
       true},
      {"sign_ste_tanh",
       [](const Variable& x) { return sign_ste_tanh(x, 1.5); },
       [](double x) { return x > 0 ? 1 : -1; },
       [](double x, double) { return 1.5 * (1 - std::tanh(1.5 * x) * std::tanh(1.5 * x)); },
       -2,
       2,
       {},
       true},
      {"floor_ste",
       floor_ste,
       [](double x) { return std::floor(x); },
       [](double, double) { return 1; },
       -3,
       3,
       {},
       true},
      {"clamp_ste",
       [](const Variable& x) { return clamp_ste(x, -0.75, 0.5); },
       [](double x) { return std::clamp(x, -0.75, 0.5); },
       [](double, double) { return 1; },
       -2,
       2,
       {},
       true}};
  return all;
}

}  // namespace

std::vector<Case> activation_cases() {
  std::vector<Case> cases;
  for (const Activation& a : activations())
    for (const TensorSpec& spec : kSpecs) {
      cases.push_back(f32_case(a, spec, cases.size()));
      cases.push_back(bf16_case(a, spec, cases.size()));
    }
  return cases;
}

TEST_CASE("activations: values and gradients are right, f32 and bf16") {
  check_gradients(activation_cases());
}

TEST_CASE("activations: every wrong gradient is caught") { check_mutations(activation_cases()); }

TEST_CASE("activations at their corners: kinks, infinities, NaN, powers of zero") {
  Tape tape;
  const float nan = NAN, inf = INFINITY;
  const Variable x = tape.parameter(Tensor::from({-inf, -1, 0, 1, 6, inf, nan}, {7}));
  const auto check = [&](const Variable& y, std::vector<float> values, std::vector<float> slopes) {
    CAPTURE(tape.op(tape.size() - 1).name());
    for (std::size_t i = 0; i < values.size(); ++i) CHECK(y.value().values()[i] == values[i]);
    CHECK(std::isnan(y.value().values()[6]));
    tape.backward(sum(slice(y, 0, 1, 5)));
    for (std::size_t i = 0; i < slopes.size(); ++i)
      CHECK(x.gradient().values()[i + 1] == doctest::Approx(slopes[i]));
  };
  check(relu(x), {0, 0, 0, 1, 6, inf}, {0, 0, 1, 1});
  check(relu6(x), {0, 0, 0, 1, 6, 6}, {0, 0, 1, 0});
  check(hard_tanh(x), {-1, -1, 0, 1, 1, 1}, {0, 1, 0, 0});
  check(leaky_relu(x, 0.5), {-inf, -0.5, 0, 1, 6, inf}, {0.5, 0.5, 1, 1});
  check(clamp(x, -1, 6), {-1, -1, 0, 1, 6, 6}, {1, 1, 1, 1});
  check(pow(x, 2), {inf, 1, 0, 1, 36, inf}, {-2, 0, 2, 12});
}

}  // namespace bitwright::gradient_check
