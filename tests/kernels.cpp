// Kernels against plain double-precision loops, on sizes that reach every code path: several
// blocks, leftovers, one and several threads.
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/autograd/ops.h>

#include "kernels/batch_norm.h"
#include "kernels/channels.h"
#include "kernels/elementwise.h"
#include "kernels/matmul.h"
#include "kernels/max_pool.h"
#include "kernels/pooling.h"
#include "kernels/softmax.h"
#include "naive.h"
#include "small_net.h"

using namespace bitwright;
using naive::Array;
using naive::distance;
using naive::to_array;
using naive::to_tensor;
using testing::ThreadsScope;

static Array random(std::uint64_t seed, const Shape& shape, double low = -2, double high = 2) {
  return naive::random(Rng(seed, "kernels"), shape, low, high);
}

TEST_CASE("matmul: all transposes, with and without bias") {
  for (int team : {1, 2}) {
    const ThreadsScope scope(team);
    for (const auto& [m, n, k] :
         {std::array{1, 1, 1}, std::array{3, 5, 7}, std::array{100, 10, 300},
          std::array{1, 300, 17}, std::array{33, 65, 129}})
      for (int variant = 0; variant < 8; ++variant) {
        const bool ta = variant & 1, tb = variant & 2, with_bias = variant & 4;
        CAPTURE(m);
        CAPTURE(variant);
        const Array a = random(1, {m, k}), b = random(2, {k, n}), bias = random(3, {n});
        Array expected = naive::matmul(a, b);
        for (std::int64_t i = 0; with_bias && i < expected.size(); ++i) expected[i] += bias[i % n];
        Tensor c = Tensor::full({m, n}, NAN);  // every element must be written
        kernels::Matmul matmul(
            {.m = m, .n = n, .k = k, .transpose_a = ta, .transpose_b = tb, .bias = with_bias});
        for (int run = 0; run < 2; ++run)
          matmul.run(to_tensor(ta ? naive::transpose(a) : a).f32(),
                     to_tensor(tb ? naive::transpose(b) : b).f32(),
                     with_bias ? to_tensor(bias).f32() : nullptr, c.f32());
        CHECK(distance(to_array(c), expected) < 1e-6);
      }
  }
}

TEST_CASE("column sums") {
  for (int team : {1, 3})
    for (const Shape& shape : {Shape{1, 1}, Shape{7, 3}, Shape{100, 300}, Shape{1000, 129}}) {
      const ThreadsScope scope(team);
      const Array x = random(1, shape);
      Array expected(Shape{shape[1]});
      for (std::int64_t i = 0; i < x.size(); ++i) expected[i % shape[1]] += x[i];
      Tensor sums = Tensor::full({shape[1]}, NAN);
      kernels::column_sums(shape[0], shape[1], to_tensor(x).f32(), sums.f32());
      CHECK(distance(to_array(sums), expected) < 1e-6);
    }
}

TEST_CASE("channel moments: exact to rounding, also far from zero") {
  for (int team : {1, 2})
    for (double offset : {0.0, 1000.0})
      for (const Shape& shape : {Shape{1, 1}, Shape{5, 3}, Shape{129, 7}, Shape{5000, 64}}) {
        const ThreadsScope scope(team);
        CAPTURE(offset);
        CAPTURE(shape.str());
        const Array x = random(1, shape, offset - 1, offset + 1);
        const naive::Moments expected = naive::moments(x);
        Tensor mean = Tensor::full({shape[1]}, NAN), variance = mean.clone();
        kernels::channel_moments(shape[0], shape[1], to_tensor(x).f32(), mean.f32(),
                                 variance.f32());
        for (std::int64_t c = 0; c < shape[1]; ++c) {
          // One unit in the last place at 1000 is 6e-5; the variance is near 1/3. A one-pass
          // variance, E[x^2] - E[x]^2, would be off by 0.06 there.
          CHECK(std::abs(mean.f32()[c] - expected.mean[c]) < 1e-6 + 3e-7 * offset);
          CHECK(std::abs(variance.f32()[c] - expected.variance[c]) < 2e-6);
        }
      }
}

TEST_CASE("pooling: values, first of equal maxima, gradients of overlapping windows") {
  for (int team : {1, 2})
    for (const kernels::PoolPlan& p :
         {kernels::PoolPlan{4, 20, 24, 24, 2, 2}, kernels::PoolPlan{3, 5, 9, 7, 3, 2},
          kernels::PoolPlan{2, 3, 5, 5, 2, 3}, kernels::PoolPlan{1, 1, 15, 15, 15, 1}}) {
      const ThreadsScope scope(team);
      // Few distinct values: ties everywhere.
      Array x = random(1, {p.n, p.c, p.h, p.w});
      for (double& v : x.values) v = std::floor(v);
      Array y(Shape{p.n, p.c, p.out_h(), p.out_w()});
      const Array dy = random(2, y.shape);
      Array dx(x.shape);
      naive::for_each_maximum(x, p.size, p.stride, 0, [&](std::int64_t out, std::int64_t best) {
        y[out] = x[best];
        dx[best] += dy[out];
      });
      const auto image = [](const Array& a) { return to_tensor(a, Layout::channels_last); };
      Tensor out = image(y), out_dx = image(x);
      out.fill(NAN);
      out_dx.fill(NAN);
      std::vector<kernels::Winner> winners(static_cast<std::size_t>(y.size()));
      kernels::max_pool_forward(p, image(x).f32(), out.f32(), winners.data());
      kernels::max_pool_backward(p, winners.data(), image(dy).f32(), out_dx.f32());
      CHECK(distance(to_array(out), y) == 0);
      CHECK(distance(to_array(out_dx), dx) < 1e-6);
    }
}

TEST_CASE("max pooling: NaN wins wherever it is in the window") {
  for (const std::int64_t channels : {3, 20, 32})
    for (const std::int64_t size : {2, 3, 4})
      for (std::int64_t where = 0; where < size * size; ++where) {
        const kernels::PoolPlan p{1, channels, size, size, size, 1};
        Tensor x = Tensor::full({size * size, channels}, 1), y = Tensor::zeros({channels});
        std::vector<kernels::Winner> winners(static_cast<std::size_t>(channels));
        Tensor dx = x.clone();
        x.f32()[where * channels + 1] = NAN;
        kernels::max_pool_forward(p, x.f32(), y.f32(), winners.data());
        CHECK(y.f32()[0] == 1);
        CHECK(std::isnan(y.f32()[1]));
        CHECK(winners[0] == 0);
        CHECK(winners[1] == where);
        const Tensor dy = Tensor::full({channels}, 5);
        kernels::max_pool_backward(p, winners.data(), dy.f32(), dx.f32());
        CHECK(dx.f32()[where * channels + 1] == 5);
      }
}

TEST_CASE("softmax and cross-entropy: extreme logits stay finite") {
  const Tensor logits = Tensor::from({1000, -1000, 0, -1e30f, 0, 1e30f, 3, 3, 3}, {3, 3});
  const std::int32_t labels[] = {0, 2, 1};
  Tensor p = Tensor::empty({3, 3});
  CHECK(kernels::softmax_cross_entropy(3, 3, logits.f32(), labels, p.f32()) ==
        doctest::Approx(std::log(3.0) / 3));
  for (const float v : p.values()) CHECK(std::isfinite(v));
  const std::int32_t wrong[] = {1, 2, 1};
  CHECK(kernels::softmax_cross_entropy(3, 3, logits.f32(), wrong, p.f32()) ==
        doctest::Approx((2000 + std::log(3.0)) / 3));

  Tensor planes = Tensor::empty({3, 3});
  kernels::softmax_planes(3, 3, 50, logits.f32(), planes.f32());
  for (std::int64_t i = 0; i < 3; ++i)
    CHECK(planes.f32()[i] + planes.f32()[3 + i] + planes.f32()[6 + i] == doctest::Approx(1));
}

TEST_CASE("correct answers: the first of equal logits counts") {
  const Tensor logits = Tensor::from({1, 2, 0, 5, 5, 1, 0, 0, 0}, {3, 3});
  const std::int32_t labels[] = {1, 1, 0};
  CHECK(kernels::count_correct(3, 3, logits.f32(), labels) == 2);
}

TEST_CASE("element-wise loops and sums over more than one thread's share") {
  const std::int64_t n = 3 * kernels::kElementGrain + 77;
  const Array x = random(1, {n});
  for (int team : {1, 2, 5}) {
    const ThreadsScope scope(team);
    const Tensor tx = to_tensor(x);
    Tensor y = Tensor::full({n}, 1);
    kernels::accumulate(n, tx.f32(), y.f32());
    kernels::map(n, tx.f32(), y.f32(), [](float v) { return 2 * v; });
    kernels::accumulate(n, tx.f32(), y.f32());
    bool right = true;
    for (std::int64_t i = 0; i < n; ++i) right &= y.f32()[i] == static_cast<float>(3 * x[i]);
    CHECK(right);
    CHECK(kernels::sum(n, tx.f32()) ==
          doctest::Approx(std::accumulate(x.values.begin(), x.values.end(), 0.0)));
  }
}

// Sums along `axes`, at which the result for element i of x is number target(i).
template <class Target>
static void check_large_sum(const TensorSpec& spec, const Axes& axes, Target target) {
  CAPTURE(spec.shape.str());
  const Array x = random(1, spec.shape, 0, 1);
  Array first;
  for (int team : {1, 2, 5}) {
    const ThreadsScope scope(team);
    Tape tape;
    const Variable v = tape.parameter(to_tensor(x, spec.layout));
    const Variable total = sum(v, axes);
    const Array y = to_array(total.value());
    if (team == 1) first = y;
    CHECK(y.values == first.values);
    Array expected(y.shape);
    for (std::int64_t i = 0; i < x.size(); ++i) expected[target(i)] += x[i];
    CHECK(distance(y, expected) < 1e-7);
    tape.backward(sum(square(total)));
    const Array dx = to_array(v.gradient());
    CHECK(dx[0] == doctest::Approx(2 * y[0]));
    CHECK(dx[dx.size() - 1] == doctest::Approx(2 * y[y.size() - 1]));
  }
}

TEST_CASE("reductions over many chunks: exact to rounding, the same for every team") {
  check_large_sum({Shape{70000}}, {0}, [](std::int64_t) { return 0; });
  check_large_sum({Shape{3, 70001}}, {1}, [](std::int64_t i) { return i / 70001; });
  check_large_sum({Shape{70001, 3}}, {0}, [](std::int64_t i) { return i % 3; });
  const Shape shape{40, 7, 30, 5};
  const TensorSpec image{shape, DType::f32, Layout::channels_last};
  check_large_sum(image, {0, 2, 3}, [&](std::int64_t i) { return naive::channel_of(shape, i); });
  check_large_sum(image, {1, 2, 3}, [](std::int64_t i) { return i / (7 * 30 * 5); });
}

TEST_CASE("sorting and quantiles of many lines and of a long one") {
  for (int team : {1, 2}) {
    const ThreadsScope scope(team);
    Tape tape;
    const Array x = random(1, {3, 5000});
    const Variable v = tape.parameter(to_tensor(x));
    const auto [values, order] = sort(v);
    for (std::int64_t row = 0; row < 3; ++row) {
      std::vector<double> expected(x.values.begin() + row * 5000,
                                   x.values.begin() + (row + 1) * 5000);
      std::sort(expected.begin(), expected.end());
      for (std::int64_t k = 0; k < 5000; ++k) {
        const std::int64_t at = row * 5000 + k;
        CHECK(values.value().f32()[at] == expected[static_cast<std::size_t>(k)]);
        if (k > 0 && values.value().f32()[at] == values.value().f32()[at - 1])
          CHECK(order.value().i32()[at] > order.value().i32()[at - 1]);
      }
      CHECK(quantile(v, 0.5, 1).value().f32()[row] ==
            doctest::Approx((expected[2499] + expected[2500]) / 2));
    }
  }
}
