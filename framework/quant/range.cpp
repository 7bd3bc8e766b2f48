#include <algorithm>
#include <cmath>

#include <bitwright/core/error.h>
#include <bitwright/quant/range.h>

namespace bitwright {
namespace {

// The q-quantile, q in [0, 1], linear between the order statistics around q (n - 1).
double quantile(std::vector<float>& x, double q) {
  const double place = q * static_cast<double>(x.size() - 1);
  const auto below = static_cast<std::ptrdiff_t>(place);
  std::nth_element(x.begin(), x.begin() + below, x.end());
  const double low = static_cast<double>(x[static_cast<std::size_t>(below)]);
  if (below + 1 == std::ssize(x)) return low;
  const double high = static_cast<double>(*std::min_element(x.begin() + below + 1, x.end()));
  return low + (place - static_cast<double>(below)) * (high - low);
}

Range percentile_range(const RangeRule& rule, const Observed& x, bool symmetric) {
  std::vector<float> sorted(x.values.begin(), x.values.end());
  const double inside = rule.percentile / 100;
  if (symmetric) {
    for (float& value : sorted) value = std::fabs(value);
    const double end = quantile(sorted, inside);
    return {-end, end};
  }
  // Behind a ReLU; a fused one may leave the smallest of negative numbers.
  if (-x.low <= 1e-6 * x.high) return {0, quantile(sorted, inside)};
  return {quantile(sorted, (1 - inside) / 2), quantile(sorted, (1 + inside) / 2)};
}

double average(const std::vector<double>& batches, double decay) {
  double mean = batches.front();
  for (const double one : batches) mean = decay * mean + (1 - decay) * one;
  return mean;
}

Range made_symmetric(const Range& range) {
  const double end = std::max(std::fabs(range.low), std::fabs(range.high));
  return {-end, end};
}

Range scaled(const Range& range, double factor) {
  return {range.low * factor, range.high * factor};
}

// The factor in (0, 1] with the least error: the best of even steps, then golden section between
// its neighbours. The error has many small minima, which a search from one side would stop at.
double best_factor(const std::function<double(double)>& error) {
  constexpr int steps = 40;
  constexpr double golden = 0.6180339887498949, tolerance = 1e-4;
  int best = steps;
  double least = error(1);
  for (int k = steps - 1; k >= 1; --k)
    if (const double e = error(static_cast<double>(k) / steps); e < least) least = e, best = k;
  const double centre = static_cast<double>(best) / steps;
  double low = centre - 1.0 / steps, high = std::min(1.0, centre + 1.0 / steps);
  double a = high - golden * (high - low), b = low + golden * (high - low);
  double at_a = error(a), at_b = error(b);
  while (high - low > tolerance) {
    if (at_a <= at_b) {
      high = b, b = a, at_b = at_a;
      a = high - golden * (high - low), at_a = error(a);
    } else {
      low = a, a = b, at_a = at_b;
      b = low + golden * (high - low), at_b = error(b);
    }
  }
  const double found = at_a <= at_b ? a : b;
  return std::min(at_a, at_b) <= least ? found : centre;
}

}  // namespace

Observed Observed::all_of(std::span<const float> x) {
  require(!x.empty(), "numbers to observe");
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  return {x, static_cast<double>(*low), static_cast<double>(*high), {}, {}};
}

Options& declare_range(Options& options) {
  return options
      .choice("range", {"min_max", "percentile", "mse", "lp", "ema"}, "mse",
              "what the levels are clipped to: all numbers, a share of them, least mean squared "
              "error, least mean |error|^p, or extremes averaged over calibration batches")
      .real("percentile", 99.9, "share of the numbers that 'percentile' covers")
      .unit("%")
      .above(0)
      .max(100)
      .real("p", 2, "exponent of 'lp'")
      .symbol("p")
      .above(0)
      .max(16)
      .real("decay", 0.9, "share of the average that stays with each batch, for 'ema'")
      .min(0)
      .max(1);
}

RangeRule range_rule(const Settings& settings) {
  return {settings.text("range"), settings.real("percentile"), settings.real("p"),
          settings.real("decay")};
}

Range find_range(const RangeRule& rule, const Observed& x, bool symmetric,
                 const std::function<Levels(const Range&)>& levels) {
  if (rule.name == "percentile") return percentile_range(rule, x, symmetric);
  Range all{x.low, x.high};
  if (rule.name == "ema" && !x.batch_low.empty())
    all = {average(x.batch_low, rule.decay), average(x.batch_high, rule.decay)};
  if (symmetric) all = made_symmetric(all);
  if (rule.name == "min_max" || rule.name == "ema") return all;
  if (all.low == 0 && all.high == 0) return all;
  const double p = rule.name == "lp" ? rule.p : 2;
  return scaled(all, best_factor([&](double factor) {
                  return levels(scaled(all, factor)).error(x.values, p);
                }));
}

}  // namespace bitwright
