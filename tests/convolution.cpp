// Every algorithm and pass of the convolution against plain double-precision loops.
#include "kernels/convolution.h"

#include <cmath>
#include <string>

#include <doctest/doctest.h>

#include "kernels/convolution_rule.h"
#include "naive.h"
#include "small_net.h"

using namespace bitwright;
using kernels::ConvAlgorithm;
using kernels::ConvAlgorithmEntry;
using kernels::ConvEpilogue;
using kernels::ConvShape;
using naive::Array;
using naive::distance;
using naive::to_array;
using naive::to_tensor;
using testing::ThreadsScope;

namespace {

// Channel counts of 16 and more make oneDNN choose blocked weights, which are reordered on the way
// in and, for the gradient, on the way out. Images that tiles of 4x4 do not fill; more tiles than
// fit in a block; more channels than the transforms take at a time.
const ConvShape kShapes[] = {
    {4, 1, 28, 28, 20, 5, 5},        {4, 20, 12, 12, 50, 5, 5},
    {3, 16, 9, 7, 32, 3, 3, 1, 1},   {2, 64, 5, 5, 64, 3, 3, 1, 1},
    {5, 17, 32, 30, 19, 3, 3, 1, 1}, {3, 160, 4, 4, 130, 3, 3, 1, 1},
    {2, 3, 2, 2, 270, 3, 3, 1, 1},   {2, 32, 8, 8, 64, 1, 1, 2, 0},
    {2, 32, 8, 8, 64, 1, 1, 1, 0},   {3, 3, 11, 13, 17, 3, 3, 2, 1},
    {1, 5, 6, 6, 7, 4, 2, 1, 2},     {2, 12, 6, 6, 8, 3, 3, 1, 1, 4},
    {2, 8, 7, 7, 8, 3, 3, 2, 1, 8},  {3, 24, 2, 2, 40, 3, 3, 1, 1},
    {5, 16, 3, 2, 32, 3, 3, 2, 1},   {2, 7, 4, 3, 5, 5, 5, 1, 2},
    {4, 6, 1, 1, 9, 1, 1, 1, 0},
};

std::string text(const ConvShape& s) {
  return "x " + Shape{s.n, s.c, s.h, s.w}.str() + " weight " + s.weight().str() + " stride " +
         std::to_string(s.stride) + " groups " + std::to_string(s.groups);
}

Array random(std::uint64_t seed, const Shape& shape, double bound) {
  return naive::random(Rng(seed, "convolution"), shape, -bound, bound);
}

// Inputs as the kernels get them, results in double.
struct Expected {
  Array x, w, scale, shift, residual, dy, y, dx, dw, db;
  explicit Expected(const ConvShape& s)
      : x(rounded(random(1, {s.n, s.c, s.h, s.w}, 2), s.type)),
        w(rounded(random(2, s.weight(), 0.5), s.type)),
        scale(random(5, {s.out_channels}, 2)),
        shift(random(3, {s.out_channels}, 1)),
        residual(rounded(random(6, {s.n, s.out_channels, s.out_h(), s.out_w()}, 9), s.type)),
        dy(rounded(random(4, {s.n, s.out_channels, s.out_h(), s.out_w()}, 2), s.type)),
        y(dy.shape),
        dx(x.shape),
        dw(w.shape),
        db(shift.shape) {
    const std::int64_t in = s.c / s.groups, out = s.out_channels / s.groups;
    const Shape whole{s.out_channels, s.c, s.kernel_h, s.kernel_w};
    naive::for_each_tap(x.shape, whole, s.stride, s.padding, [&](const naive::Tap& t) {
      if (t.c / in != t.o / out) return;  // of another group
      const auto at_y = dy.at(t.n, t.o, t.i, t.j), at_x = x.at(t.n, t.c, t.h, t.w),
                 at_w = w.at(t.o, t.c % in, t.u, t.v);
      y[at_y] += x[at_x] * w[at_w];
      dx[at_x] += dy[at_y] * w[at_w];
      dw[at_w] += dy[at_y] * x[at_x];
    });
    for (std::int64_t i = 0; i < dy.size(); ++i) db[naive::channel_of(dy.shape, i)] += dy[i];
    for (std::int64_t i = 0; i < y.size(); ++i) y[i] = finished(s.epilogue, i);
  }
  double finished(const ConvEpilogue& epilogue, std::int64_t i) const {
    const std::int64_t c = naive::channel_of(y.shape, i);
    double v = y[i] * (epilogue.scale ? scale[c] : 1);
    if (epilogue.shift) v += shift[c];
    if (epilogue.residual) v += residual[i];
    return epilogue.relu ? std::max(0.0, v) : v;
  }
  static Array rounded(Array a, DType type) { return to_array(to_tensor(a, Layout::plain, type)); }
};

// Largest relative errors of a pass, by the type of the images.
struct Tolerance {
  double f32, bf16;
  double of(DType type) const { return type == DType::bf16 ? bf16 : f32; }
};

void check(const ConvAlgorithmEntry& algorithm, const ConvShape& s, Tolerance images,
           Tolerance weights) {
  CAPTURE(text(s));
  CAPTURE(threads());
  const Expected e(s);
  const auto image = [&](const Array& a) { return to_tensor(a, Layout::channels_last, s.type); };
  const Tensor x = image(e.x), w = to_tensor(e.w), scale = to_tensor(e.scale),
               shift = to_tensor(e.shift), residual = image(e.residual), dy = image(e.dy);
  const kernels::ConvEpilogueData more{s.epilogue.scale ? scale.f32() : nullptr,
                                       s.epilogue.shift ? shift.f32() : nullptr,
                                       s.epilogue.residual ? residual.data() : nullptr};
  Tensor y = image(e.y), dx = image(e.x), dw = Tensor::full(e.w.shape, NAN);
  y.fill(NAN);  // every element must be written
  dx.fill(NAN);
  const auto forward = algorithm.forward ? algorithm.forward(s) : nullptr;
  const auto to_data = algorithm.backward_data(s);
  const auto to_weights = algorithm.backward_weights(s);
  for (int run = 0; run < 2; ++run) {
    if (forward) forward->run(x.data(), w.f32(), more, y.data());
    to_data->run(dy.data(), w.f32(), dx.data());
    to_weights->run(x.data(), dy.data(), dw.f32());
  }
  if (forward) CHECK(distance(to_array(y), e.y) < images.of(s.type));
  CHECK(distance(to_array(dx), e.dx) < images.of(s.type));
  CHECK(distance(to_array(dw), e.dw) < weights.of(s.type));
}

const ConvEpilogue kEpilogues[] = {{},
                                   {.shift = true},
                                   {.scale = true, .shift = true},
                                   {.scale = true, .shift = true, .relu = true},
                                   {.scale = true, .shift = true, .residual = true, .relu = true},
                                   {.residual = true}};

void check_all(ConvAlgorithm name, Tolerance images, Tolerance weights) {
  const ConvAlgorithmEntry& algorithm = kernels::entry_of(name);
  int checked = 0;
  for (int team : {1, 3})
    for (ConvShape s : kShapes)
      for (const DType type : {DType::f32, DType::bf16})
        for (const ConvEpilogue& epilogue : kEpilogues) {
          s.epilogue = epilogue;
          s.type = type;
          if (!algorithm.fits(s)) continue;
          const ThreadsScope scope(team);
          check(algorithm, s, images, weights);
          ++checked;
        }
  CHECK(checked > 0);
}

}  // namespace

// Images in bf16 are rounded when they are stored; gradients of weights are summed and given in
// f32.
constexpr double kRounding = 4e-3;

TEST_CASE("direct convolution") {
  check_all(ConvAlgorithm::direct, {2e-6, kRounding}, {5e-6, 5e-6});
}

TEST_CASE("Winograd convolution") {
  check_all(ConvAlgorithm::winograd, {5e-6, kRounding}, {5e-6, 5e-6});
}

TEST_CASE("gradients by Winograd's algorithm with frequencies in bf16") {
  check_all(ConvAlgorithm::winograd_bf16, {0, 1.7e-2}, {0, 1.7e-2});
}

TEST_CASE("convolution by patches") {
  check_all(ConvAlgorithm::patches, {2e-6, kRounding}, {5e-6, 5e-6});
}

TEST_CASE("convolution by one dense matrix") {
  check_all(ConvAlgorithm::dense, {2e-6, kRounding}, {5e-6, 5e-6});
}

TEST_CASE("every algorithm has its entry") {
  for (std::size_t i = 0; i < kernels::kConvAlgorithms.size(); ++i)
    CHECK(static_cast<std::size_t>(kernels::kConvAlgorithms[i].algorithm) == i);
}

TEST_CASE("the chosen algorithms, with the gradient of the bias") {
  for (ConvShape s : kShapes) {
    s.epilogue.shift = true;
    CAPTURE(text(s));
    const Expected e(s);
    kernels::Convolution conv(s);
    const Tensor x = to_tensor(e.x, Layout::channels_last), w = to_tensor(e.w),
                 dy = to_tensor(e.dy, Layout::channels_last);
    Tensor y = dy.clone(), dx = x.clone(), dw = w.clone(), db = to_tensor(e.shift);
    const Tensor bias = to_tensor(e.shift);
    conv.forward(x.f32(), w.f32(), {.shift = bias.f32()}, y.f32());
    conv.backward_data(dy.f32(), w.f32(), dx.f32());
    conv.backward_weights(x.f32(), dy.f32(), dw.f32());
    conv.backward_bias(dy.f32(), db.f32());
    CHECK(distance(to_array(y), e.y) < 1e-5);
    CHECK(distance(to_array(dx), e.dx) < 1e-5);
    CHECK(distance(to_array(dw), e.dw) < 1e-5);
    CHECK(distance(to_array(db), e.db) < 2e-6);
  }
}

TEST_CASE("NaN passes a fused ReLU") {
  for (const ConvAlgorithmEntry& algorithm : kernels::kConvAlgorithms)
    for (const DType type : {DType::f32, DType::bf16}) {
      if (algorithm.forward == nullptr) continue;
      const ConvShape s{.n = 1,
                        .c = 16,
                        .h = 3,
                        .w = 3,
                        .out_channels = 16,
                        .kernel_h = 3,
                        .kernel_w = 3,
                        .stride = 1,
                        .padding = 1,
                        .epilogue = {.scale = true, .shift = true, .relu = true},
                        .type = type};
      Tensor x = Tensor::full({s.n, s.c, s.h, s.w}, NAN), w = Tensor::full(s.weight(), 1.f);
      const Tensor factor = Tensor::full({s.out_channels}, 1.f);
      const Tensor in = to_tensor(to_array(x), Layout::channels_last, type);
      Tensor y = to_tensor(to_array(x), Layout::channels_last, type);
      y.fill(0);
      algorithm.forward(s)->run(in.data(), w.f32(), {factor.f32(), factor.f32()}, y.data());
      for (const double v : to_array(y).values) CHECK(std::isnan(v));
    }
}
