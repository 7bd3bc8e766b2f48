#include "gates.h"

#include <algorithm>
#include <cmath>

namespace bitwright::bit_drop {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double concrete(double ln_a, double u, double beta) {
  return sigmoid((std::log(u) - std::log1p(-u) + ln_a) / beta);
}

}  // namespace

double HardConcrete::stretched(double ln_a, double u) const {
  return concrete(ln_a, u, beta) * (zeta - gamma) + gamma;
}

double HardConcrete::sample(double ln_a, double u) const {
  return std::clamp(stretched(ln_a, u), 0.0, 1.0);
}

double HardConcrete::slope(double ln_a, double u) const {
  const double sbar = stretched(ln_a, u);
  if (sbar <= 0 || sbar >= 1) return 0;
  const double s = concrete(ln_a, u, beta);
  return (zeta - gamma) * s * (1 - s) / beta;
}

double HardConcrete::deterministic(double ln_a) const {
  return std::clamp(sigmoid(ln_a) * (zeta - gamma) + gamma, 0.0, 1.0);
}

double HardConcrete::shift() const { return -beta * std::log(-gamma / zeta); }

double HardConcrete::probability(double ln_a) const { return sigmoid(ln_a + shift()); }

double HardConcrete::location(double p) const { return std::log(p) - std::log1p(-p) - shift(); }

Gates Gates::sample(const HardConcrete& law, std::span<const float> ln_a,
                    std::span<const double> uniform) {
  Gates gates;
  gates.count = static_cast<int>(ln_a.size());
  for (std::size_t i = 0; i < ln_a.size(); ++i) {
    const double u = 1e-6 + (1 - 2e-6) * uniform[i];
    gates.z[i] = law.sample(ln_a[i], u);
    gates.slope[i] = law.slope(ln_a[i], u);
  }
  return gates;
}

Masks Gates::masks() const {
  Masks masks;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i)
    masks.m[i + 1] = masks.m[i] * z[i];
  return masks;
}

// dm_l / dz_k = product of the other gates of 2 .. l, for l >= k.
void Gates::pull_back(std::span<const double> by_level, std::span<float> gradient) const {
  const auto n = static_cast<std::size_t>(count);
  for (std::size_t k = 0; k < n; ++k) {
    double product = 1, sum = 0;
    for (std::size_t l = 0; l < n; ++l) {
      if (l != k) product *= z[l];
      if (l >= k) sum += by_level[l + 1] * product;
    }
    gradient[k] = static_cast<float>(sum * slope[k]);
  }
}

int exported_bits(const HardConcrete& law, std::span<const float> ln_a) {
  int bits = 1;
  for (float a : ln_a) {
    if (law.deterministic(a) <= 0) break;
    ++bits;
  }
  return bits;
}

}  // namespace bitwright::bit_drop
