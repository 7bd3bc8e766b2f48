#include "grids.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace bitwright::uniform_grid {
namespace {

float usable(float scale, bool power_of_two) {
  if (!(scale > 0)) return 1;
  return power_of_two ? nearest_power_of_two(scale) : scale;
}

void set_sign_rows(const Tensor& w, const GridRule& rule, Grid& grid) {
  const auto means = mean_magnitude(w, static_cast<std::int64_t>(grid.rows.size()));
  for (std::size_t r = 0; r < means.size(); ++r)
    grid.rows[r] = {usable(means[r], rule.power_of_two), Codes::twos_complement(1)};
}

void set_ternary_rows(const Tensor& w, const GridRule& rule, Grid& grid) {
  constexpr float factor = 0.7f;
  auto thresholds = mean_magnitude(w, static_cast<std::int64_t>(grid.rows.size()));
  for (float& t : thresholds) t *= factor;
  const auto above = mean_magnitude_above(w, thresholds);
  for (std::size_t r = 0; r < above.size(); ++r) {
    const float scale = usable(above[r], rule.power_of_two);
    grid.rows[r] = {scale, {Rounding::ternary, -1, 1, thresholds[r] / scale}};
  }
}

}  // namespace

float nearest_power_of_two(float scale) { return std::exp2(std::round(std::log2(scale))); }

Grid::Row row_over(const Extremes& range, const GridRule& rule) {
  if (rule.kind != Kind::asymmetric) {
    const Codes codes = Codes::symmetric(rule.bits);
    return {usable(range.magnitude() / codes.high, rule.power_of_two), codes};
  }
  const float most = std::ldexp(1.f, rule.bits) - 1;
  const float low = std::min(range.low, 0.f), high = std::max(range.high, 0.f);
  const float scale = usable((high - low) / most, rule.power_of_two);
  const float zero = std::nearbyint(-low / scale);
  return {scale, {Rounding::nearest, -zero, most - zero}};
}

void set_grid(const Tensor& w, const GridRule& rule, Grid& grid) {
  grid.rows.resize(rule.per_channel ? static_cast<std::size_t>(w.shape()[0]) : 1);
  if (rule.bits == 1) return set_sign_rows(w, rule, grid);
  if (rule.kind == Kind::ternary) return set_ternary_rows(w, rule, grid);
  const auto ranges = extremes(w, static_cast<std::int64_t>(grid.rows.size()));
  for (std::size_t r = 0; r < ranges.size(); ++r) grid.rows[r] = row_over(ranges[r], rule);
}

}  // namespace bitwright::uniform_grid
