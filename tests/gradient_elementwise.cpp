// Gradients of the element-wise ops and the straight-through estimators.
#include <doctest/doctest.h>

#include "gradient_check.h"

namespace bitwright::gradient_check {
namespace {

using naive::to_tensor;
using Function = std::function<double(double)>;

const std::vector<TensorSpec> kSpecs{{Shape{7}},
                                     {Shape{3, 5}},
                                     {Shape{}},
                                     {Shape{1, 1}},
                                     {Shape{2, 3, 1, 4}, DType::f32, Layout::channels_last}};

// Random values in [low, high) at least 1/4 = four steps away from every kink.
Input smooth_input(const TensorSpec& spec, std::uint64_t seed, double low, double high,
                   const std::vector<double>& kinks = {}) {
  Array x = naive::random(Rng(seed, "element-wise"), spec.shape, low, high);
  if (x.size() == 1) x[0] = std::max(low, 0.0) + 0.25;  // where no gradient is zero
  for (std::int64_t i = 0; i < x.size(); ++i)
    for (double kink : kinks)
      if (std::abs(x[i] - kink) < 0.25) x[i] = kink + (x[i] < kink ? -0.25 : 0.25);
  return {to_tensor(x, spec.layout)};
}

Array map(const Array& x, const Function& f) {
  Array y = x;
  for (double& v : y.values) v = f(v);
  return y;
}

// A part of the gradient of the form dy * f(x).
Term times_dy(std::string name, Function f) {
  return {std::move(name), 0, [f](const Sample& s) {
            Array d = map(s.inputs[0], f);
            for (std::int64_t i = 0; i < d.size(); ++i) d[i] *= s.dy[i];
            return d;
          }};
}

struct Unary {
  const char* name;
  std::function<Variable(const Variable&)> op;
  Function value;
  double low, high;
  std::vector<double> kinks;
  std::vector<Term> terms;
};

void add_unary(std::vector<Case>& cases, const Unary& u) {
  for (const TensorSpec& spec : kSpecs) {
    Case c{u.name, spec.shape.str()};
    c.terms = u.terms;
    c.inputs = {smooth_input(spec, cases.size(), u.low, u.high, u.kinks)};
    c.build = [op = u.op](const auto& in) { return op(in[0]); };
    c.forward = [f = u.value](const Sample& s) { return map(s.inputs[0], f); };
    cases.push_back(std::move(c));
  }
}

void add_unaries(std::vector<Case>& cases) {
  const auto sigma = [](double x) { return 1 / (1 + std::exp(-x)); };
  const auto negative = [](double x) { return x < 0 ? 1.0 : 0.0; };
  const std::vector<Unary> all{
      {"scale",
       [](const auto& x) { return scale(x, -0.75); },
       [](double x) { return -0.75 * x; },
       -2,
       2,
       {},
       {}},
      {"shift",
       [](const auto& x) { return shift(x, 1.25); },
       [](double x) { return x + 1.25; },
       -2,
       2,
       {},
       {}},
      {"relu",
       [](const auto& x) { return relu(x); },
       [](double x) { return std::max(x, 0.0); },
       -2,
       2,
       {0},
       {times_dy("the mask of negative inputs", [=](double x) { return -negative(x); })}},
      {"exp",
       [](const auto& x) { return exp(x); },
       [](double x) { return std::exp(x); },
       -2,
       2,
       {},
       {}},
      {"log",
       [](const auto& x) { return log(x); },
       [](double x) { return std::log(x); },
       1,
       4,
       {},
       {}},
      {"tanh",
       [](const auto& x) { return tanh(x); },
       [](double x) { return std::tanh(x); },
       -2,
       2,
       {},
       {times_dy("the one", [](double) { return 1; }),
        times_dy("the square", [](double x) { return -std::tanh(x) * std::tanh(x); })}},
      {"sigmoid",
       [](const auto& x) { return sigmoid(x); },
       sigma,
       -3,
       3,
       {},
       {times_dy("the value", [=](double x) { return sigma(x); }),
        times_dy("the square", [=](double x) { return -sigma(x) * sigma(x); })}},
      {"square",
       [](const auto& x) { return square(x); },
       [](double x) { return x * x; },
       -2,
       2,
       {},
       {times_dy("one of the two factors", [](double x) { return x; })}},
      {"sqrt",
       [](const auto& x) { return sqrt(x); },
       [](double x) { return std::sqrt(x); },
       1,
       4,
       {},
       {}},
      {"abs",
       [](const auto& x) { return abs(x); },
       [](double x) { return std::abs(x); },
       -2,
       2,
       {0},
       {times_dy("the negative side", [=](double x) { return -negative(x); })}},
      {"clamp",
       [](const auto& x) { return clamp(x, -0.75, 0.5); },
       [](double x) { return std::clamp(x, -0.75, 0.5); },
       -2,
       2,
       {-0.75, 0.5},
       {times_dy("the mask below", [](double x) { return x < -0.75 ? -1 : 0; }),
        times_dy("the mask above", [](double x) { return x > 0.5 ? -1 : 0; })}}};
  for (const Unary& u : all) add_unary(cases, u);
}

struct Binary {
  const char* name;
  Variable (*op)(const Variable&, const Variable&);
  double (*value)(double, double);
};

void add_binaries(std::vector<Case>& cases) {
  for (const Binary& b : {Binary{"add", add, [](double x, double y) { return x + y; }},
                          Binary{"subtract", subtract, [](double x, double y) { return x - y; }},
                          Binary{"multiply", multiply, [](double x, double y) { return x * y; }},
                          Binary{"divide", divide, [](double x, double y) { return x / y; }}})
    for (const TensorSpec& spec : kSpecs)
      for (int constant : {-1, 0, 1}) {  // which input, if any, wants no gradient
        Case c{b.name, spec.shape.str()};
        c.inputs = {smooth_input(spec, cases.size(), -2, 2),
                    smooth_input(spec, cases.size() + 1000, 1, 4)};
        if (constant >= 0) c.inputs[static_cast<std::size_t>(constant)].wants_gradient = false;
        c.build = [b](const auto& in) { return b.op(in[0], in[1]); };
        c.forward = [b](const Sample& s) {
          Array y = s.inputs[0];
          for (std::int64_t i = 0; i < y.size(); ++i) y[i] = b.value(y[i], s.inputs[1][i]);
          return y;
        };
        cases.push_back(std::move(c));
      }
}

void add_estimators(std::vector<Case>& cases) {
  const auto inside = [](double x) { return std::abs(x) <= 1 ? 1.0 : 0.0; };
  // The corners belong to the contract: sign(0) = -1, the gradient passes at |x| = 1, ties to even.
  const Array corners = [] {
    Array a(Shape{3, 5});
    a.values = {-2,  -1,  -0.5, 0,    0.25,  0.5,  1,    1.001953125,
                1.5, 2.5, -1.5, -2.5, -3.25, 3.75, -1.25};
    return a;
  }();
  for (const TensorSpec& spec : kSpecs)
    for (bool special : {false, true}) {
      if (special && spec.shape != corners.shape) continue;
      const Input x = special ? Input{to_tensor(corners)} : smooth_input(spec, 77, -3, 3);
      const std::string what = spec.shape.str() + (special ? ", corners" : "");
      Case sign{"sign_ste", what, {x}};
      sign.build = [](const auto& in) { return sign_ste(in[0]); };
      sign.forward = [](const Sample& s) {
        return map(s.inputs[0], [](double v) { return v > 0 ? 1.0 : -1.0; });
      };
      sign.surrogate = times_dy("", inside).formula;
      sign.terms = {times_dy("the mask of |x| > 1", [=](double v) { return inside(v) - 1; })};
      cases.push_back(std::move(sign));
      Case round{"round_ste", what, {x}};
      round.build = [](const auto& in) { return round_ste(in[0]); };
      round.forward = [](const Sample& s) {
        return map(s.inputs[0], [](double v) {
          const double down = std::floor(v), rest = v - down;
          if (rest == 0.5) return std::fmod(down, 2) == 0 ? down : down + 1;
          return rest < 0.5 ? down : down + 1;
        });
      };
      round.surrogate = [](const Sample& s) { return s.dy; };
      cases.push_back(std::move(round));
    }
}

// Down to bf16 and up again: value and gradient are rounded to 8 significant bits.
void add_cast(std::vector<Case>& cases) {
  const auto rounded = [](double v) {
    return static_cast<double>(float(bfloat16(static_cast<float>(v))));
  };
  for (const TensorSpec& spec : kSpecs) {
    Case c{"cast", spec.shape.str(), {smooth_input(spec, 91, -3, 3)}};
    c.build = [](const auto& in) { return cast(cast(in[0], DType::bf16), DType::f32); };
    c.forward = [=](const Sample& s) { return map(s.inputs[0], rounded); };
    c.surrogate = [=](const Sample& s) { return map(s.dy, rounded); };
    cases.push_back(std::move(c));
  }
}

}  // namespace

std::vector<Case> elementwise_cases() {
  std::vector<Case> cases;
  add_unaries(cases);
  add_binaries(cases);
  add_estimators(cases);
  add_cast(cases);
  return cases;
}

TEST_CASE("element-wise ops: values and gradients are right") {
  check_gradients(elementwise_cases());
}

TEST_CASE("element-wise ops: every wrong gradient is caught") {
  check_mutations(elementwise_cases());
}

}  // namespace bitwright::gradient_check
