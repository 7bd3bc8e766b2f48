// Gradients of linear, conv2d and cross_entropy.
#include <doctest/doctest.h>

#include "gradient_check.h"

namespace bitwright::gradient_check {
namespace {

using naive::Tap;
using naive::to_tensor;

void add_linear(std::vector<Case>& cases, const char* what, std::vector<Input> inputs) {
  Case c{"linear", what, std::move(inputs)};
  c.build = [](const auto& in) { return linear(in[0], in[1], optional(in, 2)); };
  c.forward = [](const Sample& s) {
    Array y = naive::matmul(s.inputs[0], naive::transpose(s.inputs[1]));
    for (std::int64_t i = 0; i < y.size() && s.inputs.size() == 3; ++i)
      y[i] += s.inputs[2][i % y.shape[1]];
    return y;
  };
  c.terms.push_back({"x: the last feature out", 0, [](const Sample& s) {
                       Array dx(s.inputs[0].shape);
                       const Array& w = s.inputs[1];
                       const std::int64_t o = w.shape[0] - 1;
                       for (std::int64_t i = 0; i < dx.size(); ++i)
                         dx[i] = s.dy[s.dy.at(i / dx.shape[1], o)] * w[w.at(o, i % dx.shape[1])];
                       return dx;
                     }});
  c.terms.push_back({"weight: the last sample", 1, [](const Sample& s) {
                       Array dw(s.inputs[1].shape);
                       const Array& x = s.inputs[0];
                       const std::int64_t n = x.shape[0] - 1;
                       for (std::int64_t i = 0; i < dw.size(); ++i)
                         dw[i] = s.dy[s.dy.at(n, i / dw.shape[1])] * x[x.at(n, i % dw.shape[1])];
                       return dw;
                     }});
  if (c.inputs.size() == 3)
    c.terms.push_back({"bias: the last sample", 2, [](const Sample& s) {
                         Array db(s.inputs[2].shape);
                         for (std::int64_t o = 0; o < db.size(); ++o)
                           db[o] = s.dy[s.dy.at(s.dy.shape[0] - 1, o)];
                         return db;
                       }});
  cases.push_back(std::move(c));
}

// The parts of a convolution's gradients that come from the products `keep` selects.
template <class Keep>
Formula conv_part(std::size_t input, ConvGeometry g, Keep keep) {
  return [=](const Sample& s) {
    const Array &x = s.inputs[0], &w = s.inputs[1];
    Array d(s.inputs[input].shape);
    naive::for_each_tap(x.shape, w.shape, g.stride, g.padding, [&](const Tap& t) {
      if (!keep(t)) return;
      const double dy = s.dy[s.dy.at(t.n, t.o, t.i, t.j)];
      const std::int64_t in = x.at(t.n, t.c, t.h, t.w), weight = w.at(t.o, t.c, t.u, t.v);
      if (input == 0)
        d[in] += dy * w[weight];
      else
        d[weight] += dy * x[in];
    });
    return d;
  };
}

void add_conv(std::vector<Case>& cases, const char* what, ConvGeometry g,
              std::vector<Input> inputs) {
  Case c{"conv2d", what, std::move(inputs)};
  c.build = [g](const auto& in) { return conv2d(in[0], in[1], optional(in, 2), g); };
  c.forward = [g](const Sample& s) {
    return naive::conv2d(s.inputs[0], s.inputs[1], s.inputs.size() == 3 ? &s.inputs[2] : nullptr,
                         g.stride, g.padding);
  };
  const std::int64_t last_image = c.inputs[0].value.shape()[0] - 1;
  const std::int64_t last_output = c.inputs[1].value.shape()[0] - 1;
  const std::int64_t last_channel = c.inputs[0].value.shape()[1] - 1;
  const auto corner_tap = [](const Tap& t) { return t.u == 0 && t.v == 0; };
  const auto first_row = [](const Tap& t) { return t.i == 0; };
  c.terms = {{"x: one tap of the kernel", 0, conv_part(0, g, corner_tap)},
             {"x: the last channel out", 0,
              conv_part(0, g, [=](const Tap& t) { return t.o == last_output; })},
             {"x: the first output row", 0, conv_part(0, g, first_row)},
             {"weight: one tap of the kernel", 1, conv_part(1, g, corner_tap)},
             {"weight: the last image", 1,
              conv_part(1, g, [=](const Tap& t) { return t.n == last_image; })},
             {"weight: the last channel in", 1,
              conv_part(1, g, [=](const Tap& t) { return t.c == last_channel; })},
             {"weight: the first output row", 1, conv_part(1, g, first_row)}};
  if (c.inputs.size() == 3)
    c.terms.push_back({"bias: the last pixel", 2, [](const Sample& s) {
                         Array db(s.inputs[2].shape);
                         const std::int64_t pixels = s.dy.shape[2] * s.dy.shape[3];
                         for (std::int64_t i = pixels - 1; i < s.dy.size(); i += pixels)
                           db[naive::channel_of(s.dy.shape, i)] += s.dy[i];
                         return db;
                       }});
  cases.push_back(std::move(c));
}

void add_cross_entropy(std::vector<Case>& cases, const char* what, std::int64_t rows,
                       std::int64_t classes, double spread) {
  Tensor labels = Tensor::empty({Shape{rows}, DType::i32, Layout::plain});
  for (std::int64_t r = 0; r < rows; ++r)
    labels.i32()[r] = static_cast<std::int32_t>((r * 7 + classes - 1) % classes);
  Case c{"cross_entropy",
         what,
         {random_input(static_cast<std::uint64_t>(rows * classes), Shape{rows, classes},
                       Layout::plain, -spread, spread),
          {labels, false}}};
  c.step = 1.0 / 8;  // a scalar near 1 with gradients near 0.01: rounding weighs more here
  c.build = [](const auto& in) { return cross_entropy(in[0], in[1]); };
  c.forward = [=](const Sample& s) {
    const Array p = naive::softmax(s.inputs[0], 1);
    Array loss(Shape{});
    for (std::int64_t r = 0; r < rows; ++r)
      loss[0] -= std::log(p[p.at(r, std::llround(s.inputs[1][r]))]) / static_cast<double>(rows);
    return loss;
  };
  const auto part = [=](bool softmax, double factor) {
    return [=](const Sample& s) {
      const Array p = naive::softmax(s.inputs[0], 1);
      Array d(p.shape);
      for (std::int64_t i = 0; i < d.size(); ++i) {
        const bool is_label = i % classes == std::llround(s.inputs[1][i / classes]);
        d[i] = factor * s.dy[0] * ((softmax ? p[i] : 0) - (is_label ? 1 : 0));
      }
      return d;
    };
  };
  const double n = static_cast<double>(rows);
  c.terms = {{"the label", 0, part(false, 1 / n)},
             {"the mean over the batch", 0, part(true, 1 / n - 1)}};
  c.terms.push_back({"the softmax", 0, [=](const Sample& s) {
                       Array d = part(true, 1 / n)(s);
                       const Array label = part(false, 1 / n)(s);
                       for (std::int64_t i = 0; i < d.size(); ++i) d[i] -= label[i];
                       return d;
                     }});
  cases.push_back(std::move(c));
}

}  // namespace

std::vector<Case> layer_cases() {
  std::uint64_t number = 0;
  std::vector<Case> cases;
  const auto v = [&](const Shape& shape) { return random_input(++number, shape); };
  const auto image = [&](const Shape& shape) {
    return random_input(++number, shape, Layout::channels_last);
  };
  add_linear(cases, "bias", {v({5, 7}), v({3, 7}), v({3})});
  add_linear(cases, "no bias", {v({4, 19}), v({17, 19})});
  add_linear(cases, "one sample", {v({1, 6}), v({5, 6}), v({5})});
  add_linear(cases, "one feature in, one out", {v({6, 1}), v({1, 1}), v({1})});
  add_linear(cases, "data", {constant(v({3, 4})), v({5, 4}), v({5})});
  add_linear(cases, "frozen weight", {v({3, 4}), constant(v({5, 4})), v({5})});
  add_linear(cases, "bias only", {constant(v({3, 4})), constant(v({5, 4})), v({5})});

  add_conv(cases, "odd channels, bias", {1, 0}, {image({2, 3, 5, 6}), v({5, 3, 3, 3}), v({5})});
  add_conv(cases, "padding", {1, 1}, {image({2, 3, 4, 5}), v({2, 3, 3, 3})});
  add_conv(cases, "stride and padding", {2, 1}, {image({1, 2, 7, 6}), v({3, 2, 3, 3}), v({3})});
  add_conv(cases, "stride that skips the border", {3, 0}, {image({2, 1, 8, 7}), v({2, 1, 2, 2})});
  add_conv(cases, "one channel, 5x5", {1, 2}, {image({1, 1, 6, 6}), v({4, 1, 5, 5}), v({4})});
  add_conv(cases, "1x1", {1, 0}, {image({3, 4, 2, 3}), v({3, 4, 1, 1}), v({3})});
  add_conv(cases, "window as large as the image", {1, 0}, {image({2, 3, 4, 4}), v({5, 3, 4, 4})});
  add_conv(cases, "blocked channels", {1, 1}, {image({2, 16, 3, 3}), v({16, 16, 3, 3}), v({16})});
  add_conv(cases, "oblong kernel", {1, 0}, {image({2, 2, 5, 6}), v({3, 2, 2, 4}), v({3})});
  add_conv(cases, "data", {1, 0}, {constant(image({2, 1, 6, 6})), v({3, 1, 3, 3}), v({3})});
  add_conv(cases, "frozen weight", {1, 1},
           {image({2, 3, 4, 4}), constant(v({2, 3, 3, 3})), v({2})});
  add_conv(cases, "frozen bias", {2, 1}, {image({2, 3, 5, 5}), v({2, 3, 3, 3}), constant(v({2}))});

  add_cross_entropy(cases, "ten classes", 5, 10, 2);
  add_cross_entropy(cases, "two classes", 4, 2, 2);
  add_cross_entropy(cases, "one sample", 1, 7, 2);
  add_cross_entropy(cases, "far logits", 3, 4, 6);
  return cases;
}

TEST_CASE("layers: values and gradients are right") { check_gradients(layer_cases()); }

TEST_CASE("layers: every wrong gradient is caught") { check_mutations(layer_cases()); }

}  // namespace bitwright::gradient_check
