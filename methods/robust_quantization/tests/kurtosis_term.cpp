// Kurtosis and its term against the worked numbers of NumPy, and the gradient against differences.
#include "methods/robust_quantization/kurtosis_term.h"

#include <cmath>
#include <memory>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/autograd/ops.h>
#include <bitwright/core/rng.h>

#include "method_fixture.h"

using namespace bitwright;
using namespace bitwright::kure;
using bitwright::test::list;

namespace {

const std::vector<float> w{-1, -0.5f, 0, 0.25f, 2}, ramp{1, 2, 3, 4};

doctest::Approx near(double x) { return doctest::Approx(x).epsilon(1e-5); }

double kurtosis(const std::vector<float>& x, int ddof = 0) {
  return MomentMeter{}.measure(x).kurtosis(ddof);
}

std::vector<float> gradient(const std::vector<float>& x, int ddof, double factor = 1) {
  std::vector<float> g(x.size());
  kurtosis_gradient(x, MomentMeter{}.measure(x), ddof, factor, g);
  return g;
}

std::vector<float> draw(std::int64_t n, const std::function<double(const Rng&, std::uint64_t)>& f) {
  const Rng rng(3, "kurtosis");
  std::vector<float> x;
  for (std::int64_t i = 0; i < n; ++i)
    x.push_back(static_cast<float>(f(rng, static_cast<std::uint64_t>(i))));
  return x;
}

// lambda L_K of some weights on a tape of its own.
struct OnTape {
  OnTape(const TermOptions& options, const std::vector<std::vector<float>>& tensors) {
    for (const auto& x : tensors)
      weights.push_back(tape.parameter(Tensor::from(x, {static_cast<std::int64_t>(x.size())})));
    term = kurtosis_term(options, weights, seen);
    tape.backward(term);
  }
  double value() const { return static_cast<double>(term.value().item()); }
  std::vector<float> gradient(std::size_t l) const { return list(weights[l].gradient()); }

  Tape tape;
  std::vector<Variable> weights;
  std::shared_ptr<std::vector<double>> seen = std::make_shared<std::vector<double>>();
  Variable term;
};

void check_list(const std::vector<float>& got, const std::vector<double>& wanted) {
  REQUIRE(got.size() == wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    CHECK(std::abs(static_cast<double>(got[i]) - wanted[i]) < 2e-6);
}

}  // namespace

TEST_CASE("kurtosis of small tensors, with both standard deviations") {
  CHECK(kurtosis(ramp) == near(1.64));
  CHECK(kurtosis(ramp, 1) == near(0.9225));
  CHECK(kurtosis(w) == near(2.522490));
  CHECK(kurtosis(w, 1) == near(1.614393));
  std::vector<float> line;
  for (int i = 0; i <= 100; ++i) line.push_back(static_cast<float>(-1 + 0.02 * i));
  CHECK(kurtosis(line) == near(1.799765));
  CHECK(kurtosis(line, 1) == near(1.764302));
  CHECK(std::isnan(kurtosis({2, 2, 2})));
}

TEST_CASE("large samples: uniform 1.8, normal 3, Laplace 6") {
  constexpr std::int64_t n = 400000;  // many parts of the sum
  CHECK(kurtosis(draw(n, [](const Rng& r, auto i) { return r.uniform(i); })) ==
        doctest::Approx(1.8).epsilon(0.01));
  CHECK(kurtosis(draw(n, [](const Rng& r, auto i) { return r.normal(i); })) ==
        doctest::Approx(3).epsilon(0.02));
  CHECK(kurtosis(draw(n, [](const Rng& r, auto i) {
          const double u = r.uniform(i) - 0.5;
          return std::copysign(std::log(1 - 2 * std::abs(u)), u);
        })) == doctest::Approx(6).epsilon(0.05));
}

TEST_CASE("gradient of the kurtosis; it changes neither mean nor scale") {
  check_list(gradient(w, 0), {0.435853, 0.387447, -0.382113, -0.863971, 0.422784});
  check_list(gradient(w, 1), {0.278946, 0.247966, -0.244552, -0.552942, 0.270582});
  const std::vector<float> g = gradient(w, 0);
  double sum = 0, along = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    sum += static_cast<double>(g[i]);
    along += static_cast<double>(g[i]) * (static_cast<double>(w[i]) - 0.15);
  }
  CHECK(std::abs(sum) < 1e-6);
  CHECK(std::abs(along) < 1e-6);
}

TEST_CASE("the term over two layers, and its gradient") {
  const TermOptions population{.ddof = 0};
  OnTape avg(population, {w, ramp});
  CHECK(avg.value() == near(0.273796));
  CHECK((*avg.seen)[0] == near(2.522490));
  check_list(avg.gradient(0), {0.314899, 0.279926, -0.276073, -0.624210, 0.305457});
  check_list(avg.gradient(1), {0.030720, -0.092160, 0.092160, -0.030720});
  CHECK(OnTape({.mode = Mode::sum, .ddof = 0}, {w, ramp}).value() == near(0.547592));
  CHECK(OnTape({}, {w, ramp}).value() == near(0.402228));

  OnTape most({.mode = Mode::max, .ddof = 0}, {w, ramp});
  CHECK(most.value() == near(0.722490 * 0.722490));
  check_list(most.gradient(1), {0, 0, 0, 0});
  OnTape twice({.lambda = 2, .ddof = 0}, {w, ramp});
  CHECK(twice.value() == near(2 * 0.273796));
  CHECK(twice.gradient(0)[0] == doctest::Approx(2 * 0.314899).epsilon(1e-5));
}

TEST_CASE("gradient against finite differences, in every mode") {
  const std::vector<float> other = draw(37, [](const Rng& r, auto i) { return r.normal(i); });
  for (const Mode mode : {Mode::avg, Mode::sum, Mode::max})
    for (const int ddof : {0, 1}) {
      const TermOptions options{.mode = mode, .lambda = 0.7, .ddof = ddof};
      const OnTape at(options, {w, other});
      const auto term = [&](std::vector<std::vector<float>> x) {
        std::vector<double> k;
        for (const auto& one : x) k.push_back(kurtosis(one, ddof));
        return term_value(options, k);
      };
      for (std::size_t l : {0u, 1u})
        for (std::size_t i = 0; i < 5; ++i) {
          std::vector<std::vector<float>> up{w, other}, down = up;
          up[l][i] += 1.0f / 512;
          down[l][i] -= 1.0f / 512;
          const double difference = (term(up) - term(down)) * 256;
          CHECK(std::abs(static_cast<double>(at.gradient(l)[i]) - difference) <
                1e-4 + 1e-3 * std::abs(difference));
        }
    }
}

TEST_CASE("invariant under scale and shift; zero at the target; equal numbers are let be") {
  std::vector<float> moved;
  for (float x : w) moved.push_back(-3 * x + 10);
  CHECK(kurtosis(moved) == near(kurtosis(w)));
  OnTape there({.target = kurtosis(w), .ddof = 0}, {w});
  CHECK(std::abs(there.value()) < 1e-12);
  check_list(there.gradient(0), {0, 0, 0, 0, 0});
  OnTape flat({}, {{3, 3, 3}});
  CHECK(flat.value() == 0);
  check_list(flat.gradient(0), {0, 0, 0});
}

TEST_CASE("a mean far from zero costs no digits") {
  std::vector<float> far = draw(5000, [](const Rng& r, auto i) { return 1000 + r.normal(i); });
  std::vector<float> centred;
  for (float x : far) centred.push_back(x - 1000);  // exact
  CHECK(kurtosis(far) == doctest::Approx(kurtosis(centred)).epsilon(1e-9));
}
