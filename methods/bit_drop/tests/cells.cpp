// The formulas of one value, in double: worked numbers, and finite differences of every smooth
// part.
#include "../cells.h"

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/core/rng.h>

#include "../relaxed.h"

using namespace bitwright;
using namespace bitwright::bit_drop;
using doctest::Approx;

namespace {

constexpr double kSix = 1e-6;  // worked numbers have six digits

// Everything about one value: weights m_i r_i, masses and derivatives, of any kind of cells.
template <class C>
struct Value {
  Value(const C& c, double x) : at(c, x) {
    for_cells<true>(c, at, [&](auto j, double w, double X, double H) {
      weights.push_back(w);
      sums.add(w, C::kFirst + j, X, H);
      best.offer(w, C::kFirst + j, X, H);
    });
    for (double w : weights) masses.push_back(w / sums.w);
    for (double w : weights) raw.push_back((1 - c.q) * w);
    mean = c.alpha * (at.pivot + sums.k / sums.w);
    xhat = c.alpha * (at.pivot + best.k);
  }

  Spot<double> at;
  Moments<double> sums;
  Mode<double> best;
  std::vector<double> weights, masses, raw;
  double mean = 0, xhat = 0;
};

enum class Rule { all, mode };

template <class C>
Slopes<double> slopes(const C& c, double x, Rule rule, bool truncate) {
  const Value<C> v(c, x);
  double dx = 0, dalpha = 0;
  if (rule == Rule::all)
    all_classes(c, v.at, v.sums, truncate, dx, dalpha);
  else
    mode_only(c, v.at, v.sums, v.best, truncate, dx, dalpha);
  return Slopes<double>::of(dx, dalpha, v.at.pivot + v.best.k, v.at.x, c.alpha, c.inverse_sigma);
}

using Four = Cells<double, 4, false>;
using Eight = Cells<double, 8, false>;
using Around = Cells<double, 7, true>;

const Grid kWeights2{2, true}, kActivations2{2, false}, kWeights3{3, true};

Four two_bits(double alpha = 0.5, double sigma = 0.5 / 3) { return {kWeights2, alpha, sigma, {}}; }

void check_list(const std::vector<double>& got, const std::vector<double>& want) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < want.size(); ++i) CHECK(std::abs(got[i] - want[i]) < kSix);
}

// e^-gumbel of the worked numbers.
double worked_times(int j) {
  constexpr double gumbel[] = {0.2, -0.5, 1.0, 0.1};
  return std::exp(-gumbel[j]);
}

double difference(const std::function<double(double)>& f, double at, double h = 1e-5) {
  return (8 * (f(at + h) - f(at - h)) - (f(at + 2 * h) - f(at - 2 * h))) / (12 * h);
}

}  // namespace

TEST_CASE("item 1: cell masses of weights, 2 bits") {
  const Four c = two_bits();
  const Value<Four> v(c, 0.3);
  check_list(v.masses, {0.001859, 0.036009, 0.416236, 0.545896});
  check_list(v.raw, {0.001742, 0.033738, 0.389986, 0.511469});
  CHECK(v.raw[0] + v.raw[1] + v.raw[2] + v.raw[3] == Approx(0.936935).epsilon(kSix));
  CHECK(v.xhat == 0.5);
  CHECK(std::abs(v.mean - 0.253085) < kSix);
  const Value<Four> low(c, -0.1);
  check_list(low.masses, {0.018968, 0.271126, 0.606136, 0.103770});
  CHECK(low.xhat == 0);
  const Value<Four> far(c, 1.4);
  CHECK(far.xhat == 0.5);
  CHECK(std::abs(far.masses[3] - 0.949262) < kSix);
  CHECK(std::abs(far.raw[0] + far.raw[1] + far.raw[2] + far.raw[3] - 0.019840) < kSix);
}

TEST_CASE("item 2: cell masses of activations, 2 bits") {
  const Four c(kActivations2, 0.4, 0.4 / 3, {});
  const Value<Four> v(c, 0.5);
  check_list(v.masses, {0.090709, 0.587584, 0.299759, 0.021948});
  CHECK(v.xhat == Approx(0.4));
  CHECK(Value<Four>(c, 2.0).xhat == Approx(1.2));
}

TEST_CASE("item 3: gradient of all classes with and without truncation") {
  const Four c = two_bits();
  const std::vector<double> x{0.3, 0.05, -0.4, 0.7};
  const std::vector<double> truncated{0.804404, 0.893511, 0.945916, 0.178587};
  const std::vector<double> whole{0.664210, 0.877035, 0.927269, -0.545931};
  for (std::size_t i = 0; i < x.size(); ++i) {
    CHECK(std::abs(slopes(c, x[i], Rule::all, true).x - truncated[i]) < kSix);
    CHECK(std::abs(slopes(c, x[i], Rule::all, false).x - whole[i]) < kSix);
  }
}

TEST_CASE("item 4: gradient of the mode alone") {
  const Four c = two_bits();
  CHECK(std::abs(slopes(c, 0.3, Rule::mode, true).x - 0.696781) < kSix);
  CHECK(std::abs(slopes(c, 0.3, Rule::mode, false).x - 0.556352) < kSix);
  CHECK(std::abs(slopes(c, -0.4, Rule::mode, true).x - 0.336418) < kSix);
  CHECK(slopes(c, 0.05, Rule::mode, true).x == 0);
  CHECK(std::abs(slopes(c, 0.5, Rule::mode, false).x) < 1e-12);
}

TEST_CASE("item 5: alpha and sigma of the mode alone") {
  const Slopes<double> s = slopes(two_bits(), 0.3, Rule::mode, true);
  CHECK(std::abs((s.alpha - 1) / 0.5 - -0.526144) <
        2 * kSix);  // dpi_*/dalpha: without G_*, over g_*
  CHECK(std::abs(s.sigma / 0.5 - -0.929979) < 2 * kSix);
  CHECK(std::abs(s.alpha - 0.736928) < kSix);
  CHECK(std::abs(s.sigma - -0.464989) < kSix);
}

TEST_CASE("derivatives are those of finite differences in double") {
  const double alpha = 0.37, sigma = 0.21;
  // sum over the points of a g_i that stays where it is, times the mass: what the straight-through
  // estimator differentiates. The numbers of the moving cells come from a second set of cells.
  for (const Grid grid : {kWeights2, kWeights3, kActivations2, Grid{5, true}}) {
    for (double x : {0.3, -0.7, 0.05, 1.9, 0.74}) {
      for (const bool truncate : {true, false})
        for (const Rule rule : {Rule::all, Rule::mode}) {
          CAPTURE(grid.bits);
          CAPTURE(x);
          CAPTURE(truncate);
          const auto check = [&]<class C>(const C& fixed) {
            const Value<C> here(fixed, x);
            const auto surrogate = [&](double at, double a, double s) -> double {
              // The pivot of local cells must not jump under a difference.
              const C moved(grid, a, s, {});
              const Value<C> v(moved, at);
              if (v.at.pivot != here.at.pivot) return NAN;
              double sum = 0;
              for (int j = 0; j < C::kPoints; ++j) {
                if (rule == Rule::mode && C::kFirst + j != here.best.k) continue;
                const auto i = static_cast<std::size_t>(j);
                sum +=
                    alpha * (here.at.pivot + C::kFirst + j) * (truncate ? v.masses[i] : v.raw[i]);
              }
              return sum;
            };
            const Slopes<double> s = slopes(fixed, x, rule, truncate);
            const double code = here.at.pivot + here.best.k;
            CHECK(std::abs(s.x - difference([&](double t) { return surrogate(t, alpha, sigma); },
                                            x)) < kSix);
            CHECK(std::abs(s.alpha - code -
                           difference([&](double t) { return surrogate(x, t, sigma); }, alpha)) <
                  kSix);
            CHECK(std::abs(s.sigma - difference([&](double t) { return surrogate(x, alpha, t); },
                                                sigma)) < kSix);
          };
          if (grid.bits == 2) check(Four(grid, alpha, sigma, {}));
          if (grid.bits == 3) check(Eight(grid, alpha, sigma, {}));
          if (grid.bits > 3) check(Around(grid, alpha, sigma, {}));
        }
    }
  }
}

TEST_CASE("item 7: masks of DropBits, 3 bits") {
  const double alpha = 0.25, x = 0.55;
  const std::vector<int> levels{3, 3, 2, 1, 1, 2, 3, 3};
  for (int code = -4; code < 4; ++code)
    CHECK(level_of(code) == levels[static_cast<std::size_t>(code + 4)]);
  const auto value = [&](double z2, double z3) {
    return Value<Eight>(Eight(kWeights3, alpha, alpha / 3, {{1, z2, z2 * z3}}), x);
  };
  CHECK(value(1, 1).xhat == 0.5);
  const auto top_gone = value(1, 0);
  CHECK(top_gone.xhat == 0.25);
  check_list(top_gone.masses, {0, 0, 0.000132, 0.002643, 0.052764, 0.944461, 0, 0});
  const auto faint = value(1, 0.3);
  CHECK(faint.xhat == 0.5);
  CHECK(std::abs(faint.masses[5] - 0.278166) < kSix);
  CHECK(std::abs(faint.masses[6] - 0.487442) < kSix);
  CHECK(std::abs(faint.masses[7] - 0.218034) < kSix);
  CHECK(value(0, 0).xhat == 0);
}

TEST_CASE("item 8: a relaxed sample") {
  const Four c = two_bits();
  const Spot<double> at(c, 0.3);
  const auto sample = relax<true>(c, at, worked_times, 1.0, 4.0);
  CHECK(std::abs(c.alpha * sample.code(at, false) - 0.164005) < kSix);
  CHECK(c.alpha * sample.code(at, true) == 0);  // z_3 = 0.643282 is the largest
  // z itself: as moments of k = -2 .. 1 they are mean and mean square.
  const std::vector<double> z{0.001291, 0.012417, 0.643282, 0.343010};
  CHECK(std::abs(sample.z.k - (-2 * z[0] - z[1] + z[3])) < 4 * kSix);
}

TEST_CASE("a relaxed sample's derivatives are those of finite differences") {
  for (const double temperature : {1.0, 0.6}) {
    const double alpha = 0.5, sigma = 0.2, x = 0.28;
    const auto sampled = [&](double at, double a, double s) {
      const Four c(kWeights2, a, s, {});
      const Spot<double> spot(c, at);
      return a * relax<false>(c, spot, worked_times, temperature, 4.0).code(spot, false);
    };
    const Four c(kWeights2, alpha, sigma, {});
    const Spot<double> at(c, x);
    const auto sample = relax<false>(c, at, worked_times, temperature, 4.0);
    const auto s = relaxed_slopes(c, at, sample, temperature, false);
    CHECK(std::abs(s.x - difference([&](double t) { return sampled(t, alpha, sigma); }, x)) < kSix);
    CHECK(std::abs(s.alpha - difference([&](double t) { return sampled(x, t, sigma); }, alpha)) <
          kSix);
    CHECK(std::abs(s.sigma - difference([&](double t) { return sampled(x, alpha, t); }, sigma)) <
          kSix);
    // Hard forward, soft backward: the same but for the code that alpha multiplies.
    const auto hard = relaxed_slopes(c, at, sample, temperature, true);
    CHECK(hard.x == s.x);
    CHECK(hard.alpha - s.alpha == Approx(sample.code(at, true) - sample.code(at, false)));
  }
}

TEST_CASE("item 9: masses sum to 1, and do not change with the unit of x") {
  const Rng rng(1, "cells");
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const double x = rng.uniform(2 * i, -3, 3), unit = rng.uniform(2 * i + 1, 0.1, 10);
    const Value<Four> v(two_bits(), x), scaled(two_bits(0.5 * unit, 0.5 / 3 * unit), x * unit);
    double sum = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      sum += v.masses[k];
      CHECK(std::abs(v.masses[k] - scaled.masses[k]) < 1e-12);
    }
    CHECK(sum == Approx(1));
    CHECK(scaled.xhat == Approx(unit * v.xhat));
  }
}

TEST_CASE("far outside the grid the masses reach their limits and stay numbers, in float too") {
  for (const float x : {1e3f, -1e3f, 1e30f, 4.0f, -4.0f}) {
    const Cells<float, 4, false> c(kWeights2, 0.5f, 0.025f, {});
    const Spot<float> at(c, x);
    Moments<float> sums;
    for_cells<false>(c, at, [&](auto j, float r, float X, float H) {
      sums.add(r, static_cast<float>(c.kFirst + j), X, H);
    });
    CHECK(sums.w > 0);
    CHECK(sums.k / sums.w == doctest::Approx(x > 0 ? 1 : -2));
    float dx, dalpha;
    all_classes(c, at, sums, true, dx, dalpha);
    CHECK(std::abs(dx) < 1e-4f);
    CHECK(std::isfinite(dalpha));
  }
}

TEST_CASE("the loops' logarithm, and the times drawn with it") {
  double worst = 0;
  for (float x = 1e-37f; x < 1e38f; x *= 1.00037f) {
    const double exact = std::log(static_cast<double>(x));
    worst = std::max(worst, std::abs(static_cast<double>(logarithm(x)) - exact) /
                                std::max(1.0, std::abs(exact)));
  }
  CHECK(worst < 1e-7);
  CHECK(logarithm(1.0f) == 0);
  CHECK(logarithm(0.0f) < -87);
  CHECK(time_of(0) == doctest::Approx(24 * std::log(2)));
  CHECK(time_of(0xffffffffu) == doctest::Approx(0x1p-24));
  const Rng rng(4, "times");
  double sum = 0, squares = 0;
  for (std::int64_t i = 0; i < 20000; ++i)
    for (std::uint32_t word : draws<7>(rng, i)) {
      const double t = static_cast<double>(time_of(word));
      sum += t, squares += t * t;
    }
  CHECK(sum / 140000 == doctest::Approx(1).epsilon(0.01));
  CHECK(squares / 140000 == doctest::Approx(2).epsilon(0.03));
}
