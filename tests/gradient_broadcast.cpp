// Gradients of arithmetic with broadcasting: NumPy's rules on plain tensors, per-channel and
// per-sample values over images.
#include <doctest/doctest.h>

#include "gradient_check.h"

namespace bitwright::gradient_check {
namespace {

using naive::to_tensor;

struct Arithmetic {
  const char* name;
  Variable (*op)(const Variable&, const Variable&);
  double (*value)(double, double);
  double (*by_first)(double, double);
  double (*by_second)(double, double);
};
const Arithmetic kAll[] = {
    {"add", add, [](double x, double y) { return x + y; }, [](double, double) { return 1.0; },
     [](double, double) { return 1.0; }},
    {"subtract", subtract, [](double x, double y) { return x - y; },
     [](double, double) { return 1.0; }, [](double, double) { return -1.0; }},
    {"multiply", multiply, [](double x, double y) { return x * y; },
     [](double, double y) { return y; }, [](double x, double) { return x; }},
    {"divide", divide, [](double x, double y) { return x / y; },
     [](double, double y) { return 1 / y; }, [](double x, double y) { return -x / (y * y); }},
    {"maximum", maximum, [](double x, double y) { return std::max(x, y); },
     [](double x, double y) { return double(x > y); },
     [](double x, double y) { return double(y > x); }},
    {"minimum", minimum, [](double x, double y) { return std::min(x, y); },
     [](double x, double y) { return double(x < y); },
     [](double x, double y) { return double(y < x); }}};

struct Pair {
  TensorSpec a, b;
};
constexpr DType kFloat = DType::f32;
constexpr Layout kImage = Layout::channels_last;
const std::vector<Pair> kPairs{
    {{Shape{3, 5}}, {Shape{5}}},
    {{Shape{5}}, {Shape{3, 5}}},
    {{Shape{3, 1}}, {Shape{1, 4}}},
    {{Shape{2, 3, 4}}, {Shape{3, 1}}},
    {{Shape{}}, {Shape{3, 2}}},
    {{Shape{2, 3}}, {Shape{1}}},
    {{Shape{2, 1, 3}}, {Shape{4, 1}}},
    {{Shape{2, 300}}, {Shape{300}}},  // more than a block
    {{Shape{300, 2}}, {Shape{300, 1}}},
    {{Shape{2, 3, 2, 4}, kFloat, kImage}, {Shape{3}}},  // per channel
    {{Shape{3}}, {Shape{2, 3, 2, 4}, kFloat, kImage}},
    {{Shape{2, 3, 2, 4}, kFloat, kImage}, {Shape{1, 3, 1, 1}}},
    {{Shape{2, 3, 2, 4}, kFloat, kImage}, {Shape{2, 1, 1, 1}}},  // per sample
    {{Shape{2, 3, 2, 4}, kFloat, kImage}, {Shape{2, 3, 1, 1}, kFloat, kImage}},
    {{Shape{2, 3, 2, 4}, kFloat, kImage}, {Shape{1, 1, 2, 4}}},
    {{Shape{2, 3, 2, 4}, kFloat, kImage}, {Shape{1, 3, 2, 4}}},  // across the grain
    {{Shape{2, 3, 2, 4}, kFloat, kImage}, {Shape{}}}};

// The element of an operand that element `i` of the result is made from.
std::int64_t source_of(const Shape& operand, const Shape& result, bool image, std::int64_t i) {
  if (image && operand.rank() == 1) return naive::channel_of(result, i) % operand[0];
  std::int64_t index = 0, stride = 1;
  for (int axis = result.rank() - 1, own = operand.rank() - 1; own >= 0; --axis, --own) {
    index += i % result[axis] % operand[own] * stride;
    stride *= operand[own];
    i /= result[axis];
  }
  return index;
}

Case make_case(const Arithmetic& f, const Pair& p, std::uint64_t seed, bool gradients[2]) {
  Case c{f.name, p.a.shape.str() + " " + p.b.shape.str()};
  const bool compares = f.name == std::string("maximum") || f.name == std::string("minimum");
  Array a = naive::random(Rng(seed, "broadcast"), p.a.shape);
  Array b =
      naive::random(Rng(seed, "broadcast, second"), p.b.shape, compares ? -2 : 1, compares ? 2 : 3);
  for (double& v : a.values) v = compares ? std::floor(v) : v;  // a half away from each other
  for (double& v : b.values) v = compares ? std::floor(v) + 0.5 : v;
  if (compares && a.size() == 1) a[0] = 0;  // no operand may win everywhere
  if (compares && b.size() == 1) b[0] = -0.5;
  c.inputs = {{to_tensor(a, p.a.layout), gradients[0]}, {to_tensor(b, p.b.layout), gradients[1]}};
  c.build = [f](const auto& in) { return f.op(in[0], in[1]); };
  const bool image = p.a.layout == kImage || p.b.layout == kImage;
  const auto for_each = [=](const Sample& s, const auto& body) {
    for (std::int64_t i = 0; i < s.dy.size(); ++i)
      body(i, source_of(p.a.shape, s.dy.shape, image, i),
           source_of(p.b.shape, s.dy.shape, image, i));
  };
  c.forward = [=](const Sample& s) {
    Array y(s.dy.shape);
    for_each(s, [&](auto i, auto k, auto l) { y[i] = f.value(s.inputs[0][k], s.inputs[1][l]); });
    return y;
  };
  for (std::size_t operand : {0, 1})
    c.terms.push_back(
        {operand == 0 ? "first: the last row of the result" : "second: the last row of the result",
         operand, [=](const Sample& s) {
           Array d(s.inputs[operand].shape);
           const std::int64_t row = s.dy.shape[s.dy.shape.rank() - 1];
           for_each(s, [&](auto i, auto k, auto l) {
             const auto by = operand == 0 ? f.by_first : f.by_second;
             if (i >= s.dy.size() - row)
               d[operand == 0 ? k : l] += s.dy[i] * by(s.inputs[0][k], s.inputs[1][l]);
           });
           return d;
         }});
  return c;
}

}  // namespace

std::vector<Case> broadcast_cases() {
  std::vector<Case> cases;
  for (const Arithmetic& f : kAll)
    for (const Pair& p : kPairs)
      for (int wanted : {3, 1, 2}) {  // a bit for each operand
        bool gradients[] = {(wanted & 1) != 0, (wanted & 2) != 0};
        if (p.a.shape.numel() + p.b.shape.numel() > 300 && wanted != 3) continue;
        cases.push_back(make_case(f, p, cases.size() / 3, gradients));
        const std::int64_t gradients_wanted = (gradients[0] ? p.a : p.b).shape.numel();
        // A single number may survive a factor of 1.01: it rounds back.
        if (wanted != 3 && gradients_wanted > 1) cases.push_back(in_bf16(cases.back()));
      }
  // Equal shapes of the ops that gradient_elementwise.cpp does not know.
  for (const Arithmetic& f : {kAll[4], kAll[5]}) {
    bool both[] = {true, true};
    cases.push_back(make_case(f, {{Shape{3, 5}}, {Shape{3, 5}}}, 5, both));
  }
  return cases;
}

TEST_CASE("broadcasting: values and gradients are right") { check_gradients(broadcast_cases()); }

TEST_CASE("broadcasting: every wrong gradient is caught") { check_mutations(broadcast_cases()); }

TEST_CASE("broadcasting: the full operand decides the type, parameters stay f32") {
  Tape tape;
  Tensor x = Tensor::empty({Shape{2, 3, 2, 2}, DType::bf16, Layout::channels_last});
  x.fill(1.5f);
  const Variable image = tape.parameter(x), step = tape.parameter(Tensor::from({2, 4, 8}, {3}));
  const Variable y = divide(image, step);
  CHECK(y.value().type() == DType::bf16);
  CHECK(y.value().layout() == Layout::channels_last);
  tape.backward(sum(y));
  CHECK(image.gradient().type() == DType::bf16);
  CHECK(naive::to_array(image.gradient())[0] == 0.5);
  CHECK(step.gradient().values()[1] == doctest::Approx(-8 * 1.5 / 16));
  CHECK(add(step, image).value().type() == DType::bf16);
  CHECK_THROWS_AS(add(tape.constant(Tensor::zeros({3, 1})), cast(step, DType::bf16)),
                  std::logic_error);
}

TEST_CASE("broadcasting: equal operands of maximum share the gradient, NaN wins") {
  Tape tape;
  const Variable a = tape.parameter(Tensor::from({1, NAN, 2}, {3}));
  const Variable b = tape.parameter(Tensor::from({1, 2, NAN}, {3}));
  const Variable y = maximum(a, b), z = minimum(a, b);
  for (std::size_t i : {1, 2}) {
    CHECK(std::isnan(y.value().values()[i]));
    CHECK(std::isnan(z.value().values()[i]));
  }
  tape.backward(sum(slice(y, 0, 0, 1)));
  CHECK(a.gradient().values()[0] == 0.5f);
  CHECK(b.gradient().values()[0] == 0.5f);
}

}  // namespace bitwright::gradient_check
