#include <cmath>

#include <bitwright/core/error.h>
#include <bitwright/data/augmentation.h>

namespace bitwright {

// Gamma(shape, 1), shape > 0, by squeezing a transformed normal (Marsaglia and Tsang, "A simple
// method for generating gamma variables", 2000); shapes below 1 come from the next higher one.
double Draw::gamma(double shape) {
  if (shape < 1) {
    const double u = 1 - uniform();  // (0, 1]
    return gamma(shape + 1) * std::pow(u, 1 / shape);
  }
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = normal(), root = 1 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root, u = 1 - uniform();
    if (std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

double Draw::beta(double alpha) {
  require(alpha > 0, "Draw::beta: alpha is positive");
  const double a = gamma(alpha), b = gamma(alpha);
  // Both can underflow for a tiny alpha, where the distribution is 0 or 1 in equal parts.
  return a + b > 0 ? a / (a + b) : static_cast<double>(below(2));
}

}  // namespace bitwright
