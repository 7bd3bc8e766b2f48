#include <algorithm>
#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include <bitwright/core/vector_math.h>

using bitwright::vector_exp;

TEST_CASE("vector_exp is within 2 units in the last place of std::exp") {
  double worst = 0;
  for (double x = -87.32; x < 88.72; x += 1.37e-4) {
    const float at = static_cast<float>(x);
    const double exact = std::exp(static_cast<double>(at));
    const float nearest = static_cast<float>(exact);
    const double next = std::nextafter(nearest, std::numeric_limits<float>::infinity());
    const double unit = next - nearest;  // in double: denormal floats may be flushed to zero
    worst = std::max(worst, std::abs(vector_exp(at) - exact) / unit);
  }
  CHECK(worst < 2.0);
}

TEST_CASE("vector_exp at the edges of its range") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  CHECK(vector_exp(0.0f) == 1.0f);
  CHECK(vector_exp(-0.0f) == 1.0f);
  CHECK(vector_exp(-infinity) == 0.0f);
  CHECK(vector_exp(-1e30f) == 0.0f);
  CHECK(vector_exp(-87.34f) == 0.0f);
  CHECK(vector_exp(-87.32f) > 0.0f);
  CHECK(vector_exp(88.72f) < infinity);
  CHECK(vector_exp(88.73f) == infinity);
  CHECK(vector_exp(infinity) == infinity);
  CHECK(std::isnan(vector_exp(std::numeric_limits<float>::quiet_NaN())));
}
