// Gradients of batch_norm, flatten and reshape.
#include <doctest/doctest.h>

#include "gradient_check.h"

namespace bitwright::gradient_check {
namespace {

using naive::to_tensor;

constexpr double kEpsilon = 1e-3;

// x-hat, and what the backward of batch norm sums, from running (mean, variance) or the batch's.
struct Normalized {
  naive::Moments moments;
  Array xhat, sum_dy, sum_dy_xhat;
  double rows = 0;
  double factor(const Sample& s, std::int64_t c) const {  // scale / sd
    return (s.inputs.size() == 3 ? s.inputs[1][c] : 1) / std::sqrt(moments.variance[c] + kEpsilon);
  }
};

Normalized normalize(const Sample& s, const naive::Moments* running) {
  const Array& x = s.inputs[0];
  Normalized r{running ? *running : naive::moments(x), Array(x.shape), {}, {}, 0};
  r.sum_dy = r.sum_dy_xhat = Array(r.moments.mean.shape);
  r.rows = static_cast<double>(x.size() / x.shape[1]);
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const std::int64_t c = naive::channel_of(x.shape, i);
    r.xhat[i] = (x[i] - r.moments.mean[c]) / std::sqrt(r.moments.variance[c] + kEpsilon);
    if (s.dy.size() == 0) continue;
    r.sum_dy[c] += s.dy[i];
    r.sum_dy_xhat[c] += s.dy[i] * r.xhat[i];
  }
  return r;
}

// Per element of x, from its channel and index.
template <class F>
Array map_channels(const Array& x, F f) {
  Array y(x.shape);
  for (std::int64_t i = 0; i < x.size(); ++i) y[i] = f(naive::channel_of(x.shape, i), i);
  return y;
}

void add_batch_norm(std::vector<Case>& cases, const char* what, bool training,
                    std::vector<Input> inputs) {
  Case c{"batch_norm", what, std::move(inputs)};
  const Shape channels{c.inputs[0].value.shape()[1]};
  const naive::Moments running{naive::random(Rng(5, "running mean"), channels),
                               naive::random(Rng(5, "running variance"), channels, 0.5, 2)};
  c.build = [=](const auto& in) {
    const BatchNormState state{to_tensor(running.mean), to_tensor(running.variance), kEpsilon, 0.1};
    return batch_norm(in[0], optional(in, 1), optional(in, 2), state, training);
  };
  const auto norm = [=](const Sample& s) { return normalize(s, training ? nullptr : &running); };
  c.forward = [=](const Sample& s) {
    const Normalized n = norm(s);
    return map_channels(s.inputs[0], [&](std::int64_t k, std::int64_t i) {
      return s.inputs.size() == 3 ? n.xhat[i] * s.inputs[1][k] + s.inputs[2][k] : n.xhat[i];
    });
  };
  if (training) {
    c.terms.push_back({"x: through the mean", 0, [=](const Sample& s) {
                         const Normalized n = norm(s);
                         return map_channels(s.dy, [&](std::int64_t k, std::int64_t) {
                           return -n.factor(s, k) * n.sum_dy[k] / n.rows;
                         });
                       }});
    c.terms.push_back({"x: through the variance", 0, [=](const Sample& s) {
                         const Normalized n = norm(s);
                         return map_channels(s.dy, [&](std::int64_t k, std::int64_t i) {
                           return -n.factor(s, k) * n.xhat[i] * n.sum_dy_xhat[k] / n.rows;
                         });
                       }});
  }
  c.terms.push_back({"x: directly", 0, [=](const Sample& s) {
                       const Normalized n = norm(s);
                       return map_channels(s.dy, [&](std::int64_t k, std::int64_t i) {
                         return n.factor(s, k) * s.dy[i];
                       });
                     }});
  if (c.inputs.size() == 3) {
    c.terms.push_back({"scale: the mean inside x-hat", 1, [=](const Sample& s) {
                         const Normalized n = norm(s);
                         Array d(s.inputs[1].shape);
                         for (std::int64_t k = 0; k < d.size(); ++k)
                           d[k] = -n.sum_dy[k] * n.moments.mean[k] /
                                  std::sqrt(n.moments.variance[k] + kEpsilon);
                         return d;
                       }});
    for (std::size_t input : {1, 2})
      c.terms.push_back({input == 1 ? "scale: the last element" : "shift: the last element", input,
                         [=](const Sample& s) {
                           const Normalized n = norm(s);
                           Array d(s.inputs[1].shape);
                           const std::int64_t last = s.dy.size() - 1;
                           d[d.size() - 1] = s.dy[last] * (input == 1 ? n.xhat[last] : 1);
                           return d;
                         }});
  }
  cases.push_back(std::move(c));
}

void add_reshape(std::vector<Case>& cases, const char* op, Input input, Shape to) {
  const bool flat = op == std::string("flatten");
  Case c{op, input.value.shape().str(), {std::move(input)}};
  c.build = [=](const auto& in) { return flat ? flatten(in[0]) : reshape(in[0], to); };
  c.forward = [=](const Sample& s) {
    Array y = s.inputs[0];
    y.shape = to;
    return y;
  };
  c.terms = {{"the last element", 0, [](const Sample& s) {
                Array d(s.inputs[0].shape);
                d[d.size() - 1] = s.dy[d.size() - 1];
                return d;
              }}};
  if (flat)  // taking the order H, W, C for C, H, W
    c.terms.push_back({"the order of channels and pixels", 0, [](const Sample& s) {
                         Array d = s.dy;
                         d.shape = s.inputs[0].shape;
                         const std::int64_t each = d.size() / d.shape[0], channels = d.shape[1];
                         for (std::int64_t i = 0; i < d.size(); ++i) {
                           const std::int64_t k = i % each;
                           const std::int64_t pixel = k % (each / channels),
                                              c = k / (each / channels);
                           d[i] -= s.dy[i - k + pixel * channels + c];
                         }
                         return d;
                       }});
  cases.push_back(std::move(c));
}

}  // namespace

std::vector<Case> normalization_cases() {
  std::uint64_t number = 1000;
  std::vector<Case> cases;
  const auto v = [&](const Shape& shape) { return random_input(++number, shape); };
  const auto image = [&](const Shape& shape) {
    return random_input(++number, shape, Layout::channels_last);
  };
  for (bool training : {true, false}) {
    add_batch_norm(cases, training ? "train" : "eval", training, {v({6, 5})});
    add_batch_norm(cases, training ? "train, affine" : "eval, affine", training,
                   {v({7, 3}), v({3}), v({3})});
    add_batch_norm(cases, training ? "train, image" : "eval, image", training,
                   {image({2, 3, 4, 3})});
    add_batch_norm(cases, training ? "train, image, affine" : "eval, image, affine", training,
                   {image({3, 5, 2, 3}), v({5}), v({5})});
    add_batch_norm(cases, training ? "train, one channel" : "eval, one channel", training,
                   {image({2, 1, 3, 3}), v({1}), v({1})});
    add_batch_norm(cases, training ? "train, offset 8" : "eval, offset 8", training,
                   {random_input(++number, {8, 3}, Layout::plain, 7, 9), v({3}), v({3})});
    add_batch_norm(cases, training ? "train, data" : "eval, data", training,
                   {constant(v({5, 4})), v({4}), v({4})});
    add_batch_norm(cases, training ? "train, frozen affine" : "eval, frozen affine", training,
                   {v({5, 4}), constant(v({4})), constant(v({4}))});
  }

  add_reshape(cases, "flatten", image({2, 3, 4, 5}), {2, 60});
  add_reshape(cases, "flatten", image({3, 1, 2, 2}), {3, 4});
  add_reshape(cases, "flatten", v({2, 3, 2, 2}), {2, 12});
  add_reshape(cases, "reshape", v({4, 6}), {2, 3, 4});
  add_reshape(cases, "reshape", v({1}), Shape{});

  return cases;
}

TEST_CASE("normalization, reshaping: values and gradients are right") {
  check_gradients(normalization_cases());
}

TEST_CASE("normalization, reshaping: every wrong gradient is caught") {
  check_mutations(normalization_cases());
}

}  // namespace bitwright::gradient_check
