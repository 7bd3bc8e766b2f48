// Gradients of sum, mean and softmax_planes, and of values that are used several times.
#include <doctest/doctest.h>

#include "gradient_check.h"

namespace bitwright::gradient_check {
namespace {

void add_reductions(std::vector<Case>& cases) {
  for (const TensorSpec& spec : {TensorSpec{Shape{7}}, TensorSpec{Shape{3, 5}}, TensorSpec{Shape{}},
                                 TensorSpec{Shape{2, 3, 1, 4}, DType::f32, Layout::channels_last}})
    for (bool is_mean : {false, true}) {
      const double n = static_cast<double>(spec.shape.numel());
      Case c{is_mean ? "mean" : "sum", spec.shape.str()};
      c.inputs = {random_input(cases.size(), spec.shape, spec.layout)};
      c.build = [=](const auto& in) { return is_mean ? mean(in[0]) : sum(in[0]); };
      c.forward = [=](const Sample& s) {
        Array y(Shape{});
        for (double v : s.inputs[0].values) y[0] += v / (is_mean ? n : 1);
        return y;
      };
      c.terms = {{"the last element", 0, [=](const Sample& s) {
                    Array d(s.inputs[0].shape);
                    d[d.size() - 1] = s.dy[0] / (is_mean ? n : 1);
                    return d;
                  }}};
      cases.push_back(std::move(c));
    }
}

void add_softmax_planes(std::vector<Case>& cases) {
  constexpr double kFactor = 1.5;
  for (const Shape& shape : {Shape{2, 5}, Shape{3, 2, 3}, Shape{5}, Shape{4, 1, 2, 3}}) {
    Case c{"softmax_planes", shape.str()};
    c.inputs = {random_input(cases.size(), shape)};
    c.build = [](const auto& in) { return softmax_planes(in[0], kFactor); };
    c.forward = [](const Sample& s) { return naive::softmax(s.inputs[0], 0, kFactor); };
    c.terms = {{"the subtracted mean", 0,
                [](const Sample& s) {
                  const Array y = naive::softmax(s.inputs[0], 0, kFactor);
                  const std::int64_t each = y.size() / y.shape[0];
                  Array d(y.shape);
                  for (std::int64_t i = 0; i < d.size(); ++i) {
                    double mean = 0;
                    for (std::int64_t k = i % each; k < y.size(); k += each) mean += s.dy[k] * y[k];
                    d[i] = -kFactor * y[i] * mean;
                  }
                  return d;
                }},
               {"the direct part", 0, [](const Sample& s) {
                  Array d = naive::softmax(s.inputs[0], 0, kFactor);
                  for (std::int64_t i = 0; i < d.size(); ++i) d[i] *= kFactor * s.dy[i];
                  return d;
                }}};
    cases.push_back(std::move(c));
  }
}

// A value used twice gets the sum of both contributions; the mutations drop or scale each of them.
void add_fan_out(std::vector<Case>& cases) {
  const auto add_case = [&](const char* what, const auto& build, double (*value)(double)) {
    Case c{"fan-out", what};
    c.inputs = {random_input(cases.size(), {3, 4}, Layout::plain, 1, 3)};
    c.build = [build](const auto& in) { return build(in[0]); };
    c.forward = [value](const Sample& s) {
      Array y = s.inputs[0];
      for (double& v : y.values) v = value(v);
      return y;
    };
    cases.push_back(std::move(c));
  };
  add_case(
      "two ops", [](const Variable& x) { return add(square(x), scale(x, 3)); },
      [](double x) { return x * x + 3 * x; });
  add_case(
      "one op twice", [](const Variable& x) { return multiply(x, x); },
      [](double x) { return x * x; });
  add_case(
      "an intermediate value, three times",
      [](const Variable& x) {
        const Variable y = scale(x, 0.5);
        return add(multiply(y, y), y);
      },
      [](double x) { return 0.25 * x * x + 0.5 * x; });
}

}  // namespace

std::vector<Case> reduction_cases() {
  std::vector<Case> cases;
  add_reductions(cases);
  add_softmax_planes(cases);
  add_fan_out(cases);
  return cases;
}

TEST_CASE("reductions and fan-out: values and gradients are right") {
  check_gradients(reduction_cases());
}

TEST_CASE("reductions and fan-out: every wrong gradient is caught") {
  check_mutations(reduction_cases());
}

}  // namespace bitwright::gradient_check
