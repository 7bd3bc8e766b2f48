#include <algorithm>
#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include <bitwright/core/vector_math.h>

using bitwright::vector_exp, bitwright::vector_sigmoid, bitwright::vector_tanh;

namespace {
// Largest error over [low, high], in units of the last place of the exact result.
double worst_error(float (*ours)(float), double (*exact)(double), double low, double high,
                   double step) {
  double worst = 0;
  for (double x = low; x < high; x += step) {
    const float at = static_cast<float>(x);
    const double right = exact(static_cast<double>(at));
    const float nearest = std::fabs(static_cast<float>(right));
    const double next = std::nextafter(nearest, std::numeric_limits<float>::infinity());
    const double unit = next - nearest;  // in double: denormal floats may be flushed to zero
    worst = std::max(worst, std::abs(ours(at) - right) / unit);
  }
  return worst;
}
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
}  // namespace

TEST_CASE("vector_exp is within 2 units in the last place of std::exp") {
  CHECK(worst_error(vector_exp, std::exp, -87.32, 88.72, 1.37e-4) < 2.0);
}

TEST_CASE("vector_sigmoid is within 2.5, vector_tanh within 2 units in the last place") {
  CHECK(worst_error(vector_sigmoid, sigmoid, -87.3, 30, 0.93e-5) < 2.5);
  CHECK(worst_error(vector_sigmoid, sigmoid, -1e-3, 1e-3, 1.3e-8) < 2.5);
  CHECK(worst_error(vector_tanh, std::tanh, -10, 10, 1.1e-5) < 2.0);
  CHECK(worst_error(vector_tanh, std::tanh, -1e-3, 1e-3, 1.3e-8) < 2.0);
  CHECK(worst_error(vector_tanh, std::tanh, 0.624, 0.626, 1e-8) < 2.0);  // where the two forms meet
}

TEST_CASE("vector_sigmoid and vector_tanh at the edges of their ranges") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(vector_sigmoid(0.0f) == 0.5f);
  CHECK(vector_sigmoid(infinity) == 1.0f);
  CHECK(vector_sigmoid(100.0f) == 1.0f);
  CHECK(vector_sigmoid(-87.0f) > 0.0f);
  CHECK(vector_sigmoid(-88.0f) == 0.0f);
  CHECK(vector_sigmoid(-infinity) == 0.0f);
  CHECK(std::isnan(vector_sigmoid(nan)));
  CHECK(vector_tanh(0.0f) == 0.0f);
  CHECK(std::signbit(vector_tanh(-0.0f)));
  CHECK(vector_tanh(1e-30f) == 1e-30f);
  for (const float far : {20.0f, 45.0f, 1e30f, infinity}) {
    CHECK(vector_tanh(far) == 1.0f);
    CHECK(vector_tanh(-far) == -1.0f);
  }
  CHECK(std::isnan(vector_tanh(nan)));
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
