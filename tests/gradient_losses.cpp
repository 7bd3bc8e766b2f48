// Gradients of softmax, its logarithm, and the losses besides plain cross-entropy.
#include <doctest/doctest.h>

#include "gradient_check.h"

namespace bitwright::gradient_check {
namespace {

using naive::to_tensor;

// A distribution per row, made of multiples of 1/64.
Input distributions(std::uint64_t seed, const Shape& shape) {
  Array t = naive::softmax(naive::random(Rng(seed, "targets"), shape), 1);
  for (double& v : t.values) v = std::max(1.0, std::floor(v * 64)) / 64;
  return {to_tensor(t)};
}

Array log_softmax_of(const Array& x) {
  Array y = naive::softmax(x, 1);
  for (double& v : y.values) v = std::log(v);
  return y;
}

double row_sum(const Array& a, std::int64_t row) {
  double total = 0;
  for (std::int64_t c = 0; c < a.shape[1]; ++c) total += a[a.at(row, c)];
  return total;
}

void add_softmax(std::vector<Case>& cases, const Shape& shape, bool logarithm) {
  Case c{logarithm ? "log_softmax" : "softmax", shape.str()};
  c.inputs = {random_input(cases.size() + 4000, shape)};
  c.build = [=](const auto& in) { return logarithm ? log_softmax(in[0]) : softmax(in[0]); };
  c.forward = [=](const Sample& s) {
    return logarithm ? log_softmax_of(s.inputs[0]) : naive::softmax(s.inputs[0], 1);
  };
  c.terms = {{"directly", 0,
              [=](const Sample& s) {
                Array d = s.dy;
                const Array p = naive::softmax(s.inputs[0], 1);
                for (std::int64_t i = 0; i < d.size(); ++i) d[i] *= logarithm ? 1 : p[i];
                return d;
              }},
             {"through the sum", 0, [=](const Sample& s) {
                const Array p = naive::softmax(s.inputs[0], 1);
                Array weighted = s.dy, d = p;
                for (std::int64_t i = 0; i < d.size(); ++i) weighted[i] *= logarithm ? 1 : p[i];
                for (std::int64_t i = 0; i < d.size(); ++i)
                  d[i] *= -row_sum(weighted, i / p.shape[1]);
                return d;
              }}};
  cases.push_back(std::move(c));
}

void add_smoothed_cross_entropy(std::vector<Case>& cases, std::int64_t rows, std::int64_t classes,
                                double smoothing) {
  Tensor labels = Tensor::empty({Shape{rows}, DType::i32});
  for (std::int64_t r = 0; r < rows; ++r)
    labels.i32()[r] = static_cast<std::int32_t>((r * 5 + 1) % classes);
  Case c{"cross_entropy", "label smoothing " + std::to_string(smoothing)};
  c.inputs = {random_input(static_cast<std::uint64_t>(classes) + 77, {rows, classes}),
              {labels, false}};
  c.step = 1.0 / 8;
  c.build = [=](const auto& in) { return cross_entropy(in[0], in[1], smoothing); };
  const auto target = [=](const Sample& s, std::int64_t i) {
    const bool is_label = i % classes == std::llround(s.inputs[1][i / classes]);
    return (is_label ? 1 - smoothing : 0) + smoothing / static_cast<double>(classes);
  };
  const double n = static_cast<double>(rows);
  c.forward = [=](const Sample& s) {
    const Array log_p = log_softmax_of(s.inputs[0]);
    Array loss(Shape{});
    for (std::int64_t i = 0; i < log_p.size(); ++i) loss[0] -= target(s, i) * log_p[i] / n;
    return loss;
  };
  c.terms = {{"smoothing: the targets", 0,
              [=](const Sample& s) {
                Array d(s.inputs[0].shape);
                for (std::int64_t i = 0; i < d.size(); ++i) d[i] = -s.dy[0] * target(s, i) / n;
                return d;
              }},
             {"smoothing: the share of all classes", 0, [=](const Sample& s) {
                Array d(s.inputs[0].shape);
                for (double& v : d.values)
                  v = -s.dy[0] * smoothing / static_cast<double>(classes) / n;
                return d;
              }}};
  cases.push_back(std::move(c));
}

void add_soft_cross_entropy(std::vector<Case>& cases, const Shape& shape, bool to_logits,
                            bool to_targets) {
  Case c{"soft_cross_entropy", shape.str()};
  c.inputs = {random_input(cases.size() + 5000, shape), distributions(5, shape)};
  c.inputs[0].wants_gradient = to_logits;
  c.inputs[1].wants_gradient = to_targets;
  c.step = 1.0 / 8;
  c.build = [](const auto& in) { return soft_cross_entropy(in[0], in[1]); };
  const double n = static_cast<double>(shape[0]);
  c.forward = [=](const Sample& s) {
    const Array log_p = log_softmax_of(s.inputs[0]);
    Array loss(Shape{});
    for (std::int64_t i = 0; i < log_p.size(); ++i) loss[0] -= s.inputs[1][i] * log_p[i] / n;
    return loss;
  };
  c.terms = {{"logits: the targets", 0,
              [=](const Sample& s) {
                Array d = s.inputs[1];
                for (double& v : d.values) v *= -s.dy[0] / n;
                return d;
              }},
             {"logits: the softmax", 0,
              [=](const Sample& s) {
                Array d = naive::softmax(s.inputs[0], 1);
                for (std::int64_t i = 0; i < d.size(); ++i)
                  d[i] *= s.dy[0] / n * row_sum(s.inputs[1], i / shape[1]);
                return d;
              }},
             {"targets: the last row", 1, [=](const Sample& s) {
                const Array log_p = log_softmax_of(s.inputs[0]);
                Array d(shape);
                for (std::int64_t i = d.size() - shape[1]; i < d.size(); ++i)
                  d[i] = -s.dy[0] * log_p[i] / n;
                return d;
              }}};
  cases.push_back(std::move(c));
}

void add_mse(std::vector<Case>& cases, const TensorSpec& spec, bool first, bool second) {
  Case c{"mse", spec.shape.str()};
  c.inputs = {random_input(cases.size() + 6000, spec.shape, spec.layout),
              random_input(cases.size() + 6500, spec.shape, spec.layout)};
  c.inputs[0].wants_gradient = first;
  c.inputs[1].wants_gradient = second;
  c.build = [](const auto& in) { return mse(in[0], in[1]); };
  const double n = static_cast<double>(spec.shape.numel());
  c.forward = [=](const Sample& s) {
    Array loss(Shape{});
    for (std::int64_t i = 0; i < s.inputs[0].size(); ++i)
      loss[0] += (s.inputs[0][i] - s.inputs[1][i]) * (s.inputs[0][i] - s.inputs[1][i]) / n;
    return loss;
  };
  for (std::size_t of : {0, 1})
    for (std::size_t part : {0, 1})
      c.terms.push_back({std::string(of == 0 ? "first" : "second") + ": the part of the " +
                             (part == 0 ? "first" : "second"),
                         of, [=](const Sample& s) {
                           Array d = s.inputs[part];
                           for (double& v : d.values) v *= (of == part ? 2 : -2) * s.dy[0] / n;
                           return d;
                         }});
  cases.push_back(std::move(c));
}

void add_kl_divergence(std::vector<Case>& cases, const Shape& shape, bool first, bool second) {
  Case c{"kl_divergence", shape.str()};
  c.inputs = {{to_tensor(log_softmax_of(naive::random(Rng(9, "log p"), shape)))},
              random_input(cases.size() + 7000, shape, Layout::plain, 0.5, 1)};
  c.inputs[0].wants_gradient = first;
  c.inputs[1].wants_gradient = second;
  c.step = 1.0 / 32;
  c.build = [](const auto& in) { return kl_divergence(in[0], in[1]); };
  const double n = static_cast<double>(shape[0]);
  c.forward = [=](const Sample& s) {
    Array loss(Shape{});
    for (std::int64_t i = 0; i < s.inputs[0].size(); ++i)
      loss[0] += s.inputs[1][i] * (std::log(s.inputs[1][i]) - s.inputs[0][i]) / n;
    return loss;
  };
  const auto term = [=](const char* name, std::size_t input, double (*f)(double, double)) {
    return Term{name, input, [=](const Sample& s) {
                  Array d(shape);
                  for (std::int64_t i = 0; i < d.size(); ++i)
                    d[i] = s.dy[0] / n * f(s.inputs[0][i], s.inputs[1][i]);
                  return d;
                }};
  };
  c.terms = {term("log p", 0, [](double, double q) { return -q; }),
             term("q: the one", 1, [](double, double) { return 1.0; }),
             term("q: its logarithm", 1, [](double, double q) { return std::log(q); }),
             term("q: log p", 1, [](double l, double) { return -l; })};
  cases.push_back(std::move(c));
}

}  // namespace

std::vector<Case> loss_cases() {
  std::vector<Case> cases;
  for (bool logarithm : {false, true})
    for (const Shape& shape : {Shape{3, 5}, Shape{1, 7}, Shape{4, 2}, Shape{2, 19}})
      add_softmax(cases, shape, logarithm);
  add_smoothed_cross_entropy(cases, 4, 6, 0.1);
  add_smoothed_cross_entropy(cases, 3, 2, 0.5);
  add_smoothed_cross_entropy(cases, 2, 5, 1);
  for (int wanted : {3, 1, 2}) {
    add_soft_cross_entropy(cases, {3, 5}, (wanted & 1) != 0, (wanted & 2) != 0);
    add_kl_divergence(cases, {3, 4}, (wanted & 1) != 0, (wanted & 2) != 0);
    add_mse(cases, {Shape{3, 4}}, (wanted & 1) != 0, (wanted & 2) != 0);
    add_mse(cases, {Shape{2, 3, 1, 2}, DType::f32, Layout::channels_last}, (wanted & 1) != 0,
            (wanted & 2) != 0);
  }
  return cases;
}

TEST_CASE("losses: values and gradients are right") { check_gradients(loss_cases()); }

TEST_CASE("losses: every wrong gradient is caught") { check_mutations(loss_cases()); }

TEST_CASE("kl_divergence: 0 log 0 is 0, also in the gradient") {
  Tape tape;
  const Variable log_p = tape.parameter(Tensor::from({-1, -2}, {1, 2}));
  const Variable q = tape.parameter(Tensor::from({0, 1}, {1, 2}));
  const Variable loss = kl_divergence(log_p, q);
  CHECK(loss.value().item() == 2);
  tape.backward(loss);
  CHECK(log_p.gradient().values()[0] == 0);
  CHECK(log_p.gradient().values()[1] == -1);
  CHECK(q.gradient().values()[0] == 0);
  CHECK(q.gradient().values()[1] == 3);
}

TEST_CASE("softmax of far logits stays finite; of infinite ones it is NaN, not a wrong number") {
  Tape tape;
  const Variable x = tape.constant(Tensor::from({1000, -1000, 0, 1e30f, 0, -1e30f}, {2, 3}));
  const Variable p = softmax(x), l = log_softmax(x);
  CHECK(p.value().values()[0] == 1);
  CHECK(p.value().values()[3] == 1);
  CHECK(l.value().values()[1] == -2000);
  for (std::size_t i = 0; i < 6; ++i) CHECK(std::isfinite(l.value().values()[i]));
}

}  // namespace bitwright::gradient_check
