// Gradients of pooling and of the parameter-free shortcut, in f32 and bf16.
#include <doctest/doctest.h>

#include "gradient_check.h"

namespace bitwright::gradient_check {
namespace {

void add_max_pool(std::vector<Case>& cases, const char* what, const Shape& shape, std::int64_t size,
                  std::int64_t stride, std::int64_t padding = 0) {
  Case c{"max_pool2d", what, {{distinct_values(shape, Layout::channels_last)}}};
  c.step = 1.0 / 64;
  c.build = [=](const auto& in) { return max_pool2d(in[0], size, stride, padding); };
  c.forward = [=](const Sample& s) {
    const Array& in = s.inputs[0];
    Array y(Shape{in.shape[0], in.shape[1], (in.shape[2] + 2 * padding - size) / stride + 1,
                  (in.shape[3] + 2 * padding - size) / stride + 1});
    naive::for_each_maximum(in, size, stride, padding,
                            [&](auto out, auto best) { y[out] = in[best]; });
    return y;
  };
  c.terms = {
      {"the last window", 0,
       [=](const Sample& s) {
         Array d(s.inputs[0].shape);
         naive::for_each_maximum(s.inputs[0], size, stride, padding, [&](auto out, auto best) {
           if (out == s.dy.size() - 1) d[best] += s.dy[out];
         });
         return d;
       }},
      {"a pixel's later windows", 0, [=](const Sample& s) {
         Array d(s.inputs[0].shape);
         std::vector<bool> won(d.values.size());
         naive::for_each_maximum(s.inputs[0], size, stride, padding, [&](auto out, auto best) {
           if (won[static_cast<std::size_t>(best)]) d[best] += s.dy[out];
           won[static_cast<std::size_t>(best)] = true;
         });
         return d;
       }}};
  cases.push_back(std::move(c));
}

void add_global_avg_pool(std::vector<Case>& cases, const char* what, Input input) {
  Case c{"global_avg_pool", what, {std::move(input)}};
  c.build = [](const auto& in) { return global_avg_pool(in[0]); };
  c.forward = [](const Sample& s) {
    const Array& x = s.inputs[0];
    Array y(Shape{x.shape[0], x.shape[1]});
    const std::int64_t pixels = x.shape[2] * x.shape[3];
    for (std::int64_t i = 0; i < x.size(); ++i) y[i / pixels] += x[i] / static_cast<double>(pixels);
    return y;
  };
  c.terms = {{"the last pixel", 0, [](const Sample& s) {
                Array d(s.inputs[0].shape);
                const std::int64_t pixels = d.shape[2] * d.shape[3];
                for (std::int64_t i = pixels - 1; i < d.size(); i += pixels)
                  d[i] = s.dy[i / pixels] / static_cast<double>(pixels);
                return d;
              }}};
  cases.push_back(std::move(c));
}

// body(output index, input index) of what the shortcut lets through.
template <class Body>
void for_each_kept(const Shape& x, const Array& y, std::int64_t stride, Body body) {
  const Array in(x);
  const std::int64_t before = (y.shape[1] - x[1]) / 2;
  for (std::int64_t n = 0; n < x[0]; ++n)
    for (std::int64_t c = 0; c < x[1]; ++c)
      for (std::int64_t h = 0; h < x[2]; h += stride)
        for (std::int64_t w = 0; w < x[3]; w += stride)
          body(y.at(n, c + before, h / stride, w / stride), in.at(n, c, h, w));
}

void add_shortcut_a(std::vector<Case>& cases, const char* what, Input input, std::int64_t stride,
                    std::int64_t channels) {
  Case c{"shortcut_a", what, {std::move(input)}};
  c.build = [=](const auto& in) { return shortcut_a(in[0], stride, channels); };
  c.forward = [=](const Sample& s) {
    const Array& x = s.inputs[0];
    Array y(Shape{x.shape[0], channels, (x.shape[2] + stride - 1) / stride,
                  (x.shape[3] + stride - 1) / stride});
    for_each_kept(x.shape, y, stride, [&](auto out, auto in) { y[out] = x[in]; });
    return y;
  };
  c.terms = {{"the last channel", 0, [=](const Sample& s) {
                Array d(s.inputs[0].shape);
                for_each_kept(d.shape, s.dy, stride, [&](auto out, auto in) {
                  if (naive::channel_of(d.shape, in) == d.shape[1] - 1) d[in] = s.dy[out];
                });
                return d;
              }}};
  cases.push_back(std::move(c));
}

// body(output index, input index) of every pixel of every window.
template <class Body>
void for_each_pixel(const Shape& x, std::int64_t size, std::int64_t stride, std::int64_t padding,
                    Body body) {
  // One tap of a convolution whose channels are the batch's planes, one by one.
  const Shape planes{x[0] * x[1], 1, x[2], x[3]};
  const Array in(planes), out(Shape{planes[0], 1, (x[2] + 2 * padding - size) / stride + 1,
                                    (x[3] + 2 * padding - size) / stride + 1});
  naive::for_each_tap(planes, Shape{1, 1, size, size}, stride, padding, [&](const naive::Tap& t) {
    body(out.at(t.n, 0, t.i, t.j), in.at(t.n, 0, t.h, t.w));
  });
}

void add_avg_pool(std::vector<Case>& cases, const char* what, Input input, std::int64_t size,
                  std::int64_t stride, std::int64_t padding = 0) {
  const double share = 1.0 / static_cast<double>(size * size);
  Case c{"avg_pool2d", what, {std::move(input)}};
  c.build = [=](const auto& in) { return avg_pool2d(in[0], size, stride, padding); };
  c.forward = [=](const Sample& s) {
    const Shape& x = s.inputs[0].shape;
    Array y(Shape{x[0], x[1], (x[2] + 2 * padding - size) / stride + 1,
                  (x[3] + 2 * padding - size) / stride + 1});
    for_each_pixel(x, size, stride, padding,
                   [&](auto out, auto in) { y[out] += share * s.inputs[0][in]; });
    return y;
  };
  c.terms = {{"the last window", 0,
              [=](const Sample& s) {
                Array d(s.inputs[0].shape);
                for_each_pixel(d.shape, size, stride, padding, [&](auto out, auto in) {
                  if (out == s.dy.size() - 1) d[in] += share * s.dy[out];
                });
                return d;
              }},
             {"a pixel's later windows", 0, [=](const Sample& s) {
                Array d(s.inputs[0].shape);
                std::vector<bool> seen(d.values.size());
                for_each_pixel(d.shape, size, stride, padding, [&](auto out, auto in) {
                  if (seen[static_cast<std::size_t>(in)]) d[in] += share * s.dy[out];
                  seen[static_cast<std::size_t>(in)] = true;
                });
                return d;
              }}};
  cases.push_back(std::move(c));
}

}  // namespace

std::vector<Case> pooling_cases() {
  std::uint64_t number = 3000;
  std::vector<Case> cases;
  const auto image = [&](const Shape& shape) {
    return random_input(++number, shape, Layout::channels_last);
  };
  add_max_pool(cases, "2x2", {2, 3, 4, 6}, 2, 2);
  add_max_pool(cases, "overlapping", {2, 3, 5, 7}, 3, 2);
  add_max_pool(cases, "overlapping in all directions", {1, 5, 4, 4}, 3, 1);
  add_max_pool(cases, "gaps and a border left over", {2, 1, 6, 8}, 2, 3);
  add_max_pool(cases, "window of one", {1, 2, 3, 3}, 1, 1);
  add_max_pool(cases, "window of all", {2, 3, 3, 3}, 3, 3);
  add_max_pool(cases, "padding, as in a stem", {2, 3, 6, 7}, 3, 2, 1);
  add_max_pool(cases, "padding of half the window", {1, 2, 3, 4}, 2, 1, 1);

  add_global_avg_pool(cases, "pixels", image({2, 5, 3, 4}));
  add_global_avg_pool(cases, "one pixel", image({3, 4, 1, 1}));
  add_global_avg_pool(cases, "more channels than a block", image({2, 70, 2, 2}));

  add_shortcut_a(cases, "stride 2, twice the channels", image({2, 4, 4, 6}), 2, 8);
  add_shortcut_a(cases, "odd image, odd padding", image({2, 3, 5, 3}), 2, 6);
  add_shortcut_a(cases, "stride 1", image({1, 2, 3, 3}), 1, 5);
  add_shortcut_a(cases, "stride 3, no padding", image({2, 3, 7, 5}), 3, 3);

  // Sixteen channels and more take the vectorised loops; an odd count leaves some over.
  add_max_pool(cases, "2x2, many channels", {1, 19, 4, 4}, 2, 2);
  add_max_pool(cases, "3x3, many channels, padding", {1, 35, 3, 4}, 3, 2, 1);
  add_max_pool(cases, "3x3, a multiple of 32 channels", {1, 32, 4, 3}, 3, 1, 1);
  add_max_pool(cases, "more windows than four on a pixel", {1, 2, 5, 5}, 3, 1);

  add_avg_pool(cases, "2x2", image({2, 3, 4, 6}), 2, 2);
  add_avg_pool(cases, "overlapping, padding", image({2, 3, 5, 7}), 3, 2, 1);
  add_avg_pool(cases, "overlapping in all directions", image({1, 5, 4, 4}), 3, 1);
  add_avg_pool(cases, "gaps and a border left over", image({2, 1, 6, 8}), 2, 3);
  add_avg_pool(cases, "window of all", image({2, 70, 2, 2}), 2, 2);

  const std::size_t n = cases.size();
  for (std::size_t i = 0; i < n; ++i) cases.push_back(in_bf16(cases[i]));
  return cases;
}

TEST_CASE("pooling: values and gradients are right") { check_gradients(pooling_cases()); }

TEST_CASE("pooling: every wrong gradient is caught") { check_mutations(pooling_cases()); }

}  // namespace bitwright::gradient_check
