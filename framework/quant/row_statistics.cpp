#include <cmath>

#include <bitwright/core/error.h>
#include <bitwright/quant/row_statistics.h>

#include "kernels/rows.h"

namespace bitwright {
namespace {

template <class F>
std::vector<float> row_sums(const Tensor& x, std::int64_t rows, const F& f) {
  std::vector<float> sums(static_cast<std::size_t>(rows));
  for_float_type(x.type(), [&]<class T>(T*) {
    kernels::sum_rows(rows, x.numel() / rows, x.as<T>(), sums.data(), f);
  });
  return sums;
}

}  // namespace

std::vector<Extremes> extremes(const Tensor& x, std::int64_t rows) {
  std::vector<float> low(static_cast<std::size_t>(rows)), high = low;
  for_float_type(x.type(), [&]<class T>(T*) {
    kernels::row_extremes(rows, x.numel() / rows, x.as<T>(), low.data(), high.data());
  });
  std::vector<Extremes> all;
  for (std::size_t r = 0; r < low.size(); ++r) all.push_back({low[r], high[r]});
  return all;
}

std::vector<float> mean_magnitude(const Tensor& x, std::int64_t rows) {
  std::vector<float> means = row_sums(x, rows, [](float v) { return std::fabs(v); });
  for (float& m : means) m /= static_cast<float>(x.numel() / rows);
  return means;
}

std::vector<float> mean_magnitude_above(const Tensor& x, const std::vector<float>& threshold) {
  const auto rows = static_cast<std::int64_t>(threshold.size());
  const std::int64_t columns = x.numel() / rows;
  std::vector<float> means(threshold.size());
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto at = static_cast<std::size_t>(r);
    const float t = threshold[at];
    float sum = 0, count = 0;
    const auto row = [&](float* result, const auto& f) {
      kernels::sum_rows(1, columns, x.f32() + r * columns, result, f);
    };
    row(&sum, [t](float v) { return std::fabs(v) > t ? std::fabs(v) : 0.f; });
    row(&count, [t](float v) { return std::fabs(v) > t ? 1.f : 0.f; });
    means[at] = count > 0 ? sum / count : 0;
  }
  return means;
}

double saturated_fraction(const Tensor& x, const Tensor& scales, float low, float high) {
  const std::int64_t rows = scales.numel(), columns = x.numel() / rows;
  double count = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const float a = low * scales.f32()[r], b = high * scales.f32()[r];
    float outside = 0;
    kernels::sum_rows(1, columns, x.f32() + r * columns, &outside,
                      [a, b](float v) { return v <= a || v >= b ? 1.f : 0.f; });
    count += static_cast<double>(outside);
  }
  return count / static_cast<double>(x.numel());
}

}  // namespace bitwright
