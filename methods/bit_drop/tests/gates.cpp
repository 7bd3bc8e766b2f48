// Hard concrete gates and their masks: worked numbers and derivatives.
#include "../gates.h"

#include <array>
#include <cmath>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/core/rng.h>

using namespace bitwright;
using namespace bitwright::bit_drop;

namespace {

constexpr double kSix = 1e-6;
const HardConcrete kLaw;

double near_zero(double got, double want) { return std::abs(got - want); }

}  // namespace

TEST_CASE("item 6: hard concrete") {
  CHECK(near_zero(kLaw.sample(0.5, 0.3), 0.347157) < kSix);
  CHECK(near_zero((kLaw.stretched(0.5, 0.3) + 0.1) / 1.2, 0.372631) < kSix);
  CHECK(near_zero(kLaw.stretched(0.5, 0.05), -0.070090) < kSix);
  CHECK(kLaw.sample(0.5, 0.05) == 0);
  CHECK(near_zero(kLaw.stretched(0.5, 0.9), 1.079367) < kSix);
  CHECK(kLaw.sample(0.5, 0.9) == 1);
  CHECK(near_zero(kLaw.shift(), 1.598597) < kSix);
  CHECK(near_zero(kLaw.probability(0.5), 0.890767) < kSix);
  CHECK(near_zero(kLaw.deterministic(0.5), 0.646951) < kSix);
  CHECK(near_zero(kLaw.probability(0), 0.831822) < kSix);
  CHECK(near_zero(kLaw.deterministic(0), 0.5) < kSix);
  CHECK(near_zero(kLaw.probability(-2), 0.400975) < kSix);
  CHECK(near_zero(kLaw.deterministic(-2), 0.043044) < kSix);
}

TEST_CASE("a keep probability gives the location of its gate, and the draws keep to it") {
  const Rng rng(3, "gates");
  for (const double p : {0.2, 0.5, 0.8, 0.95}) {
    const double ln_a = kLaw.location(p);
    CHECK(kLaw.probability(ln_a) == doctest::Approx(p));
    int kept = 0;
    for (std::uint64_t i = 0; i < 20000; ++i)
      kept += kLaw.sample(ln_a, 1e-6 + (1 - 2e-6) * rng.uniform(i)) > 0;
    CHECK(kept / 20000.0 == doctest::Approx(p).epsilon(0.03));
  }
}

TEST_CASE("masks are nested products, and gradients go back through them to ln a") {
  const std::vector<float> ln_a{0.3f, -0.2f, 0.6f};
  const std::vector<double> u{0.4, 0.55, 0.35};
  const Gates gates = Gates::sample(kLaw, ln_a, u);
  const Masks masks = gates.masks();
  CHECK(masks.of_level(1) == 1);
  CHECK(masks.of_level(2) == gates.z[0]);
  CHECK(masks.of_level(3) == gates.z[0] * gates.z[1]);
  CHECK(masks.of_level(4) == gates.z[0] * gates.z[1] * gates.z[2]);
  const std::vector<double> by_level{9, 0.5, -1.5, 2};  // of level 1 nothing may come
  const auto loss = [&](const std::vector<double>& a) {
    double product = 1, sum = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      product *= kLaw.sample(a[k], 1e-6 + (1 - 2e-6) * u[k]);
      sum += by_level[k + 1] * product;
    }
    return sum;
  };
  std::vector<float> gradient(3);
  gates.pull_back(by_level, gradient);
  for (std::size_t k = 0; k < 3; ++k) {
    std::vector<double> up(ln_a.begin(), ln_a.end()), down = up;
    up[k] += 1e-5, down[k] -= 1e-5;
    const double numeric = (loss(up) - loss(down)) / 2e-5;
    CHECK(std::abs(numeric) > 0.01);
    CHECK(gradient[k] == doctest::Approx(numeric).epsilon(1e-5));
  }
}

TEST_CASE("a closed gate closes the levels above it, and passes no gradient where it is clipped") {
  const Gates gates = Gates::sample(kLaw, std::vector<float>{4.0f, -4.0f, 4.0f},
                                    std::vector<double>{0.9, 0.1, 0.9});
  const Masks masks = gates.masks();
  CHECK(masks.of_level(2) == 1);
  CHECK(masks.of_level(3) == 0);
  CHECK(masks.of_level(4) == 0);
  CHECK(masks.alive(4) == 2);
  CHECK(masks.binary(4));
  std::vector<float> gradient(3, 7);
  gates.pull_back(std::vector<double>{0, 1, 1, 1}, gradient);
  CHECK(gradient == std::vector<float>{0, 0, 0});
}

TEST_CASE("exported bits count the leading gates that stay open without noise") {
  // sigmoid(ln a) 1.2 - 0.1 > 0 from ln a = ln(1 / 11) = -2.397895 on.
  CHECK(exported_bits(kLaw, std::vector<float>{2, 2, 2}) == 4);
  CHECK(exported_bits(kLaw, std::vector<float>{-2.39f, -2.40f, 2}) == 2);
  CHECK(exported_bits(kLaw, std::vector<float>{-3, 2, 2}) == 1);
}
