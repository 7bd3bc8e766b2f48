// Gradients of the reductions, of softmax_planes, and of values that are used several times.
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

// A reduction of lists of numbers, with the derivative by element k of such a list.
struct Reduction {
  const char* name;
  Variable (*op)(const Variable&, const Axes&, bool);
  double (*value)(const std::vector<double>&);
  double (*derivative)(const std::vector<double>&, std::size_t k);
};
double mean_of(const std::vector<double>& x) {
  double total = 0;
  for (double v : x) total += v;
  return total / static_cast<double>(x.size());
}
double norm_of(const std::vector<double>& x) {
  double total = 0;
  for (double v : x) total += v * v;
  return std::sqrt(total);
}
double size_of(const std::vector<double>& x) { return static_cast<double>(x.size()); }
double max_of(const std::vector<double>& x) { return *std::max_element(x.begin(), x.end()); }
double min_of(const std::vector<double>& x) { return *std::min_element(x.begin(), x.end()); }
Variable variance_of(const Variable& x, const Axes& axes, bool keepdim) {
  return variance(x, axes, keepdim, 1);
}
const Reduction kReductions[] = {
    {"sum", sum, [](const auto& x) { return mean_of(x) * size_of(x); },
     [](const auto&, auto) { return 1.0; }},
    {"mean", mean, mean_of, [](const auto& x, auto) { return 1 / size_of(x); }},
    {"max", max, max_of, [](const auto& x, auto k) { return double(x[k] == max_of(x)); }},
    {"min", min, min_of, [](const auto& x, auto k) { return double(x[k] == min_of(x)); }},
    {"variance", variance_of,
     [](const auto& x) {
       double total = 0;
       for (double v : x) total += (v - mean_of(x)) * (v - mean_of(x));
       return total / (size_of(x) - 1);
     },
     [](const auto& x, auto k) { return 2 * (x[k] - mean_of(x)) / (size_of(x) - 1); }},
    {"norm", norm, norm_of, [](const auto& x, auto k) { return x[k] / norm_of(x); }}};

// For every element of x, the element of the result (row-major) that it is reduced to.
std::vector<std::int64_t> targets_of(const Shape& x, const Axes& axes) {
  std::vector<std::int64_t> targets;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    std::int64_t rest = i, stride = 1, target = 0;
    for (int axis = x.rank() - 1; axis >= 0; rest /= x[axis--]) {
      const bool reduced = axes.empty() || std::count(axes.begin(), axes.end(), axis) > 0 ||
                           std::count(axes.begin(), axes.end(), axis - x.rank()) > 0;
      if (reduced) continue;
      target += rest % x[axis] * stride;
      stride *= x[axis];
    }
    targets.push_back(target);
  }
  return targets;
}

void add_reduction(std::vector<Case>& cases, const Reduction& r, const TensorSpec& spec,
                   const Axes& axes, bool keepdim) {
  const Shape& shape = spec.shape;
  const auto targets = targets_of(shape, axes);
  std::vector<std::int64_t> dims;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const bool reduced = axes.empty() || std::count(axes.begin(), axes.end(), axis) > 0 ||
                         std::count(axes.begin(), axes.end(), axis - shape.rank()) > 0;
    if (!reduced) dims.push_back(shape[axis]);
    if (reduced && keepdim) dims.push_back(1);
  }
  Case c{r.name, shape.str() + (keepdim ? ", keepdim," : ",")};
  for (int axis : axes) c.shape.append(" ").append(std::to_string(axis));
  const bool extreme = r.name == std::string("max") || r.name == std::string("min");
  c.inputs = {extreme ? Input{distinct_values(shape, spec.layout)}
                      : random_input(cases.size(), shape, spec.layout, 0.5, 3)};
  if (extreme) c.step = 1.0 / 64;
  if (shape.numel() > 100) c.step = 1.0 / 4;  // small gradients of a large result: rounding weighs
  c.build = [=](const auto& in) { return r.op(in[0], axes, keepdim); };
  const auto lists = [=](const Array& x) {
    std::vector<std::vector<double>> all(static_cast<std::size_t>(Shape(dims).numel()));
    for (std::int64_t i = 0; i < x.size(); ++i)
      all[static_cast<std::size_t>(targets[static_cast<std::size_t>(i)])].push_back(x[i]);
    return all;
  };
  c.forward = [=](const Sample& s) {
    Array y{Shape(dims)};
    const auto all = lists(s.inputs[0]);
    for (std::size_t k = 0; k < all.size(); ++k) y.values[k] = r.value(all[k]);
    return y;
  };
  // What the elements of the last list contribute; an extreme has one winner there.
  c.terms = {{"the last list", 0, [=](const Sample& s) {
                Array d(s.inputs[0].shape);
                const auto all = lists(s.inputs[0]);
                std::size_t k = 0;
                for (std::int64_t i = 0; i < d.size(); ++i)
                  if (targets[static_cast<std::size_t>(i)] == s.dy.size() - 1)
                    d[i] = s.dy[s.dy.size() - 1] * r.derivative(all.back(), k++);
                return d;
              }}};
  cases.push_back(c);
}

void add_axis_reductions(std::vector<Case>& cases) {
  const TensorSpec image{Shape{2, 3, 2, 4}, DType::f32, Layout::channels_last};
  for (const Reduction& r : kReductions) {
    for (const Axes& axes : {Axes{}, Axes{0}, Axes{1}, Axes{-1, 0}})
      add_reduction(cases, r, {Shape{3, 4}}, axes, axes == Axes{1});
    for (const Axes& axes : {Axes{1}, Axes{0, 2}, Axes{-1}, Axes{0, 1}})
      add_reduction(cases, r, {Shape{2, 3, 4}}, axes, axes == Axes{1});
    // Per channel, per sample, over the channels, over the batch.
    for (const Axes& axes : {Axes{0, 2, 3}, Axes{1, 2, 3}, Axes{2, 3}, Axes{1}, Axes{0}, Axes{}})
      for (bool keepdim : {false, true}) add_reduction(cases, r, image, axes, keepdim);
    if (r.name == std::string("max") || r.name == std::string("min")) continue;
    add_reduction(cases, r, {Shape{2, 300}}, {1}, false);  // more than a block
    add_reduction(cases, r, {Shape{2, 300}}, {0}, false);
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
  add_axis_reductions(cases);
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

TEST_CASE("reductions of bf16 are f32 and sum in full precision") {
  Tape tape;
  Tensor x = Tensor::empty({Shape{1000}, DType::bf16});
  x.fill(1.f);
  const Variable ones = tape.parameter(x);
  const Variable total = sum(ones);
  CHECK(total.value().item() == 1000);  // in bf16 it would stop at 256
  tape.backward(total);
  CHECK(ones.gradient().type() == DType::bf16);
  CHECK(naive::to_array(ones.gradient())[999] == 1);
}

TEST_CASE("max and min: ties share the gradient, NaN wins; norm: its gradient at zero is zero") {
  Tape tape;
  const Variable x = tape.parameter(Tensor::from({2, 2, 1, 0, 0, NAN}, {2, 3}));
  const Variable y = max(x, {1}), z = min(x, {1}), n = norm(scale(x, 0), {1});
  CHECK(y.value().values()[0] == 2);
  CHECK(std::isnan(y.value().values()[1]));
  CHECK(std::isnan(z.value().values()[1]));
  tape.backward(sum(slice(y, 0, 0, 1)));
  CHECK(x.gradient().values()[0] == 0.5f);
  CHECK(x.gradient().values()[1] == 0.5f);
  CHECK(x.gradient().values()[2] == 0);
  tape.backward(sum(slice(n, 0, 0, 1)));
  CHECK(x.gradient().values()[0] == 0);
}

}  // namespace bitwright::gradient_check
