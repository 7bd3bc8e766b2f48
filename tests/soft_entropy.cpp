// The differentiable entropy.
#include <algorithm>
#include <cmath>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/core/parallel.h>
#include <bitwright/core/rng.h>
#include <bitwright/quant/entropy.h>

#include "gradient_check.h"

using namespace bitwright;

using Values = std::vector<float>;

namespace {

const Values worked{0, 0.4f, 0.6f, 1.5f, 2.2f, 3};

// H by its definition, over all levels, in double.
double plain_entropy(const std::vector<double>& a, std::int64_t levels, double temperature) {
  const auto [lo, hi] = std::minmax_element(a.begin(), a.end());
  std::vector<double> p(static_cast<std::size_t>(levels));
  for (const double value : a) {
    const double x = (value - *lo) * static_cast<double>(levels - 1) / (*hi - *lo);
    std::vector<double> w;
    double sum = 0;
    for (std::int64_t k = 0; k < levels; ++k) {
      const double d = x - static_cast<double>(k);
      w.push_back(std::exp(-temperature * d * d));
      sum += w.back();
    }
    for (std::size_t k = 0; k < w.size(); ++k) p[k] += w[k] / sum / static_cast<double>(a.size());
  }
  double h = 0;
  for (const double q : p)
    if (q > 0) h -= q * std::log2(q);
  return h;
}

Values random_values(std::size_t n) {
  Values values(n);
  const Rng rng(3, "soft entropy");
  for (std::size_t i = 0; i < n; ++i)
    values[i] = static_cast<float>(rng.uniform(2 * i) * rng.uniform(2 * i + 1));
  return values;
}

void check_near(const Values& got, const Values& want, double tolerance) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i])) < tolerance);
  }
}

}  // namespace

TEST_CASE("soft entropy: the worked example (items 1 and 2)") {
  struct Case {
    double temperature, h;
    Values p, gradient;
  };
  const std::vector<Case> cases{{10,
                                 1.959387,
                                 {.333326f, .250008f, .249595f, .167071f},
                                 {.000063f, .145227f, .145227f, .001985f, .004761f, .000088f}},
                                {1,
                                 1.974223,
                                 {.286803f, .297876f, .234008f, .181313f},
                                 {-.001162f, .003534f, .008755f, .045270f, .050762f, .028490f}},
                                {100, 1.959148, {}, {0, 0, 0, 0, 0, 0}}};
  for (const Case& c : cases) {
    CAPTURE(c.temperature);
    SoftEntropy entropy({4, c.temperature, false});
    CHECK(std::abs(entropy.forward(worked, 0, 3) - c.h) < 1e-6);
    for (std::size_t k = 0; k < c.p.size(); ++k)
      CHECK(std::abs(entropy.p()[k] - static_cast<double>(c.p[k])) < 1e-6);
    Values g(6);
    CHECK(entropy.backward_in_range(1, g) == 0);
    check_near(g, c.gradient, 1.5e-6);
  }
  // The tie at 1.5 is rounded to 2 by the quantizer: three, ... values a level.
  CHECK(entropy_of(std::vector<std::int64_t>{2, 1, 2, 1}) == doctest::Approx(1.918296));
}

TEST_CASE("soft entropy: the range differentiated or not (item 3)") {
  const Values a{0, .2f, .3f, .75f, 1.1f, 1.5f};
  Values g(6);
  SoftEntropy detached({4, 10, false});
  CHECK(std::abs(detached.forward(a) - 1.959387) < 1e-6);
  detached.backward(a, 1, g);
  check_near(g, {.000126f, .290454f, .290454f, .003969f, .009523f, .000175f}, 3e-6);
  SoftEntropy whole({4, 10, true});
  whole.forward(a);
  whole.backward(a, 1, g);
  check_near(g, {-.488615f, .290454f, .290454f, .003969f, .009523f, -.105786f}, 3e-6);
}

TEST_CASE("soft entropy: levels far away may be left out") {
  const Values a = random_values(700);
  const std::vector<double> exact(a.begin(), a.end());
  for (std::int64_t levels : {2, 5, 32, 256})
    for (double temperature : {0.01, 0.3, 1.0, 10.0, 300.0}) {
      CAPTURE(levels);
      CAPTURE(temperature);
      SoftEntropy entropy({levels, temperature, true});
      CHECK(entropy.forward(a) ==
            doctest::Approx(plain_entropy(exact, levels, temperature)).epsilon(2e-6));
    }
}

TEST_CASE("soft entropy: the gradient is that of differences, ends of the range included") {
  const Values a = random_values(40);
  const std::vector<double> exact(a.begin(), a.end());
  for (double temperature : {0.3, 1.0, 10.0}) {
    CAPTURE(temperature);
    SoftEntropy entropy({8, temperature, true});
    entropy.forward(a);
    Values g(a.size());
    entropy.backward(a, 1, g);
    for (std::size_t i = 0; i < a.size(); ++i) {
      const double h = 1e-5;
      auto up = exact, down = exact;
      up[i] += h;
      down[i] -= h;
      const double slope =
          (plain_entropy(up, 8, temperature) - plain_entropy(down, 8, temperature)) / (2 * h);
      CAPTURE(i);
      CHECK(static_cast<double>(g[i]) == doctest::Approx(slope).epsilon(1e-3).scale(0.02));
    }
  }
}

TEST_CASE("soft entropy: in a given range, the end's derivative is that of differences") {
  const Values a = random_values(40);
  SoftEntropy entropy({8, 3, true});
  entropy.forward(a, 0, 1.25f);
  Values g(a.size());
  const double slope = entropy.backward_in_range(1, g);
  const double up = entropy.forward(a, 0, 1.25f + 1.0f / 64);
  const double down = entropy.forward(a, 0, 1.25f - 1.0f / 64);
  CHECK(slope == doctest::Approx((up - down) * 32).epsilon(2e-2));
}

TEST_CASE("soft entropy: in [0, b], the same for any order and for c a + d (item 10)") {
  Values a = random_values(500);
  SoftEntropy entropy({32, 10, true});
  const double h = entropy.forward(a);
  CHECK(h > 0);
  CHECK(h < 5);
  Values other(a.rbegin(), a.rend());
  CHECK(entropy.forward(other) == doctest::Approx(h).epsilon(1e-12));
  for (float& x : other) x = 4 * x + 2;
  CHECK(entropy.forward(other) == doctest::Approx(h).epsilon(1e-5));
  CHECK(entropy.forward(Values(9, 2.5f)) == 0);  // no range: one value
  Values g(9);
  entropy.backward(Values(9, 2.5f), 1, g);
  CHECK(g == Values(9, 0));
}

TEST_CASE("soft entropy: a sample of all values gives the whole, a smaller one no value twice") {
  const ValueSample whole{1, 1, 7, "conv1", 0};
  CHECK(whole.count(1000) == 1000);
  std::vector<std::int64_t> all(1000);
  whole.draw(1000, all);
  for (std::int64_t i = 0; i < 1000; ++i) CHECK(all[static_cast<std::size_t>(i)] == i);

  ValueSample some{0.01, 64, 7, "conv1", 0};
  CHECK(some.count(1000) == 64);
  CHECK(some.count(100000) == 1000);
  CHECK(some.count(20) == 20);
  std::vector<std::int64_t> first(64), again(64), later(64);
  some.draw(1000, first);
  some.draw(1000, again);
  CHECK(first == again);
  CHECK(std::adjacent_find(first.begin(), first.end(), std::greater_equal<>()) == first.end());
  CHECK(first.back() < 1000);
  some.step.set(1);
  some.draw(1000, later);
  CHECK(later != first);

  // Every value is as likely as another: means over many draws.
  std::vector<double> often(1000);
  for (int step = 0; step < 2000; ++step) {
    some.step.set(step);
    some.draw(1000, later);
    for (std::int64_t i : later) ++often[static_cast<std::size_t>(i)];
  }
  for (const double n : often) CHECK(std::abs(n - 128) < 70);
}

TEST_CASE("soft entropy: the op's gradient reaches the values it was taken from") {
  for (DType type : {DType::f32, DType::bf16}) {
    const Values a = random_values(300);
    Tape tape;
    const Variable x = tape.parameter(Tensor::from(a, {3, 100}));
    ValueSample sample{0.1, 8, 5, "x", 0};
    const Variable h = soft_entropy(cast(x, type), {8, 1, true}, sample);
    tape.backward(scale(h, 3));
    std::vector<std::int64_t> at(30);
    sample.draw(300, at);
    Values chosen;
    for (std::int64_t i : at) {
      const float v = a[static_cast<std::size_t>(i)];
      chosen.push_back(type == DType::f32 ? v : static_cast<float>(static_cast<bfloat16>(v)));
    }
    SoftEntropy entropy({8, 1, true});
    CHECK(h.value().item() == static_cast<float>(entropy.forward(chosen)));
    Values g(30), want(300);
    entropy.backward(chosen, 3, g);
    for (std::size_t i = 0; i < 30; ++i) want[static_cast<std::size_t>(at[i])] = g[i];
    const Values got(x.gradient().values().begin(), x.gradient().values().end());
    check_near(got, want, type == DType::f32 ? 1e-9 : 2e-3);
  }
}

TEST_CASE("soft entropy: the same bits for any number of threads") {
  const Values a = random_values(200000);
  const int before = threads();
  std::vector<double> h;
  std::vector<Values> g;
  for (int team : {1, 2, 3}) {
    set_threads(team);
    SoftEntropy entropy({32, 10, true});
    h.push_back(entropy.forward(a));
    g.emplace_back(a.size());
    entropy.backward(a, 1, g.back());
  }
  set_threads(before);
  CHECK(h[0] == h[1]);
  CHECK(h[0] == h[2]);
  CHECK(g[0] == g[1]);
  CHECK(g[0] == g[2]);
}
