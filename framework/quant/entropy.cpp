#include <algorithm>
#include <cmath>

#include <bitwright/core/error.h>
#include <bitwright/quant/entropy.h>

#include "kernels/soft_bins.h"

namespace bitwright {
namespace {

template <class Count>
double entropy(std::span<const Count> counts) {
  double n = 0, sum = 0;
  for (const Count c : counts) n += static_cast<double>(c);
  if (n <= 0) return 0;
  for (const Count c : counts) {
    const double p = static_cast<double>(c) / n;
    if (p > 0) sum -= p * std::log2(p);
  }
  return std::max(sum, 0.0);
}

kernels::SoftBinShape shape_of(const SoftBins& bins) {
  return {bins.levels, static_cast<float>(bins.temperature)};
}

}  // namespace

double entropy_of(std::span<const std::int64_t> counts) { return entropy(counts); }
double entropy_of(std::span<const double> counts) { return entropy(counts); }

SoftEntropy::SoftEntropy(SoftBins bins)
    : bins_(bins),
      log2_p_(static_cast<std::size_t>(bins.levels)),
      p_(static_cast<std::size_t>(bins.levels)) {
  require(bins.levels >= 2 && bins.temperature > 0, "soft bins: 2 levels, temperature above 0");
}

double SoftEntropy::forward(std::span<const float> a) {
  const auto [low, high] = std::minmax_element(a.begin(), a.end());
  return a.empty() ? 0 : forward(a, *low, *high);
}

double SoftEntropy::forward(std::span<const float> a, float lo, float hi) {
  lo_ = lo;
  hi_ = hi;
  x_.resize(a.size());
  if (a.empty() || !(hi > lo)) return 0;
  const auto n = static_cast<std::int64_t>(a.size());
  const float s = static_cast<float>(bins_.levels - 1) / (hi - lo);
  for (std::size_t i = 0; i < a.size(); ++i) x_[i] = (a[i] - lo) * s;
  partial_.resize(static_cast<std::size_t>(kernels::soft_bin_chunks(n) * bins_.levels));
  kernels::soft_bin_sums(shape_of(bins_), n, x_.data(), partial_.data(), p_.data());
  for (std::size_t k = 0; k < p_.size(); ++k) {
    p_[k] /= static_cast<double>(n);
    log2_p_[k] = p_[k] > 0 ? static_cast<float>(std::log2(p_[k])) : 0.0f;
  }
  return entropy_of(p_);
}

// dH/dx_n = -(2 T / N) Cov_n(k, log2 p_k); da = dx / s. Raising hi alone moves x_n by
// -x_n / (hi - lo).
double SoftEntropy::backward_in_range(double factor, std::span<float> g) const {
  require(g.size() == x_.size(), "as many gradients as values");
  std::fill(g.begin(), g.end(), 0.0f);
  if (x_.empty() || !(hi_ > lo_)) return 0;
  const auto n = static_cast<std::int64_t>(x_.size());
  kernels::soft_bin_covariance(shape_of(bins_), n, x_.data(), log2_p_.data(), g.data());
  const double range = static_cast<double>(hi_) - static_cast<double>(lo_);
  const double s = static_cast<double>(bins_.levels - 1) / range;
  const auto scale =
      static_cast<float>(-2 * bins_.temperature * factor * s / static_cast<double>(n));
  double moment = 0;  // sum of g_n x_n, g = factor dH/da
  for (std::size_t i = 0; i < g.size(); ++i) {
    g[i] *= scale;
    moment += static_cast<double>(g[i]) * static_cast<double>(x_[i]);
  }
  return bins_.differentiable_range ? -moment / static_cast<double>(bins_.levels - 1) : 0;
}

void SoftEntropy::backward(std::span<const float> a, double factor, std::span<float> g) const {
  const double high = backward_in_range(factor, g);
  if (!bins_.differentiable_range || !(hi_ > lo_)) return;
  double sum = 0;
  std::size_t lows = 0, highs = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += static_cast<double>(g[i]);
    lows += a[i] == lo_;
    highs += a[i] == hi_;
  }
  // Moving all values and both ends together changes nothing.
  const auto low_share = static_cast<float>((-sum - high) / static_cast<double>(lows));
  const auto high_share = static_cast<float>(high / static_cast<double>(highs));
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == lo_) g[i] += low_share;
    if (a[i] == hi_) g[i] += high_share;
  }
}

}  // namespace bitwright
