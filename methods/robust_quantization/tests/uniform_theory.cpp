#include "methods/robust_quantization/uniform_theory.h"

#include <vector>

#include <doctest/doctest.h>

#include <bitwright/quant/quantizer.h>

#include "method_fixture.h"

using namespace bitwright;
using namespace bitwright::kure;

TEST_CASE("error of a uniform tensor: the paper's numbers") {
  const auto near = [](double x) { return doctest::Approx(x).epsilon(1e-4); };
  CHECK(uniform_mse(1, 2, 0.5) == near(0.0208333));
  CHECK(uniform_mse(1, 2, 0.4) == near(0.0133333));
  CHECK(uniform_step(1, 2) == near(0.4));
  const double best = uniform_step(1, 4), h = 1e-4;
  CHECK(best == near(0.117647));
  CHECK(uniform_mse(1, 4, best) == near(0.00115340));
  CHECK(uniform_mse(1, 4, 0.9 * best) == near(0.00198389));
  const double curvature =
      (uniform_mse(1, 4, best + h) - 2 * uniform_mse(1, 4, best) + uniform_mse(1, 4, best - h)) /
      (h * h);
  CHECK(curvature == doctest::Approx(8.0).epsilon(1e-3));
}

TEST_CASE("the quantizer errs as the analysis says where nothing is clipped, more where it is") {
  const auto quantizer = test::make_component(test::builtin_registries().quantizers, "mid_rise",
                                              {{"range", "min_max"}});
  std::vector<float> x;
  for (int i = 0; i < 20001; ++i) x.push_back(static_cast<float>(-1 + i * 1e-4));
  for (const int bits : {2, 4}) {
    const auto error = [&](double step) {
      const double alpha = step * ((1 << bits) - 1) / 2;
      return quantizer->levels({-alpha, alpha}, {.bits = bits}).error(x, 2);
    };
    const double whole = 2.0 / (1 << bits);  // cells that just cover the tensor
    CHECK(error(whole) == doctest::Approx(uniform_mse(1, bits, whole)).epsilon(1e-3));
    CHECK(error(0.8 * whole) > uniform_mse(1, bits, 0.8 * whole));
  }
}
