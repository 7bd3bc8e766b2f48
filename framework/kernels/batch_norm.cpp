#include "kernels/batch_norm.h"

#include <algorithm>
#include <vector>

#include "kernels/channels.h"

namespace bitwright::kernels {
namespace {

// Mean of the first rows: near enough to the mean for sums of differences.
template <class T>
void first_rows_mean(std::int64_t rows, std::int64_t channels, const T* x, float* mean) {
  const std::int64_t few = std::min<std::int64_t>(rows, 16);
  std::fill_n(mean, channels, 0.f);
  for (std::int64_t r = 0; r < few; ++r)
    for (std::int64_t c = 0; c < channels; ++c) mean[c] += float(x[r * channels + c]);
  for (std::int64_t c = 0; c < channels; ++c) mean[c] /= static_cast<float>(few);
}

// The gradient behind the ReLU.
template <bool Relu, class T>
float passed(const T* y, const T* dy, std::int64_t i) {
  const float g = float(dy[i]);  // loaded in any case: a condition on it would not vectorise
  if constexpr (Relu)
    return float(y[i]) > 0 ? g : 0.f;
  else
    return g;
}

template <class F>
void with_bool(bool value, const F& f) {
  value ? f(std::true_type{}) : f(std::false_type{});
}

}  // namespace

template <class T>
void channel_moments(std::int64_t rows, std::int64_t channels, const T* x, float* mean,
                     float* variance) {
  thread_local std::vector<float> origin;
  origin.resize(static_cast<std::size_t>(channels));
  first_rows_mean(rows, channels, x, origin.data());
  const Repeated near(origin.data(), channels, WideRows(rows, channels).width);
  float* const results[] = {mean, variance};
  const std::int64_t width = WideRows(rows, channels).width;
  sum_channels(rows, channels, 2, results,
               [=, &near](std::int64_t at, std::int64_t count, float* __restrict partial) {
                 const T* __restrict in = x + at;
                 const float* __restrict o = near;
                 float* __restrict squares = partial + width;
                 for (std::int64_t i = 0; i < count; ++i) {
                   const float d = float(in[i]) - o[i];
                   partial[i] += d;
                   squares[i] += d * d;
                 }
               });
  for (std::int64_t c = 0; c < channels; ++c) {
    const double n = static_cast<double>(rows);
    const double first = static_cast<double>(mean[c]) / n;
    const double second = static_cast<double>(variance[c]) / n - first * first;
    mean[c] = static_cast<float>(static_cast<double>(origin[static_cast<std::size_t>(c)]) + first);
    variance[c] = static_cast<float>(std::max(0.0, second));
  }
}

template <class T>
void normalize(const Normalization& n, const T* x, const T* residual, T* y) {
  const std::int64_t width = WideRows(n.rows, n.channels).width;
  thread_local std::vector<float> factors, terms;
  factors.resize(static_cast<std::size_t>(n.channels));
  terms.resize(static_cast<std::size_t>(n.channels));
  for (std::int64_t c = 0; c < n.channels; ++c) {
    const auto at = static_cast<std::size_t>(c);
    factors[at] = n.inverse_sd[c] * (n.scale == nullptr ? 1.f : n.scale[c]);
    terms[at] = n.shift == nullptr ? 0.f : n.shift[c];
  }
  const Repeated mean(n.mean, n.channels, width), factor(factors.data(), n.channels, width),
      term(terms.data(), n.channels, width);
  with_bool(n.relu, [&](auto relu) {
    with_bool(residual != nullptr, [&](auto added) {
      for_each_wide_row(n.rows, n.channels, [&](std::int64_t at, std::int64_t count) {
        const T* __restrict in = x + at;
        const T* __restrict more = residual + (added ? at : 0);
        const float* __restrict mu = mean;
        const float* __restrict a = factor;
        const float* __restrict b = term;
        T* __restrict out = y + at;
        for (std::int64_t i = 0; i < count; ++i) {
          float v = (float(in[i]) - mu[i]) * a[i] + b[i];
          if constexpr (added) v += float(more[i]);
          if constexpr (relu) v = v <= 0 ? 0.f : v;  // NaN stays NaN
          out[i] = T(v);
        }
      });
    });
  });
}

template <class T>
void normalize_gradient_sums(const Normalization& n, const T* x, const T* y, const T* dy, T* masked,
                             float* sum_g, float* sum_g_xhat) {
  const std::int64_t width = WideRows(n.rows, n.channels).width;
  const Repeated mean(n.mean, n.channels, width);
  float* const results[] = {sum_g, sum_g_xhat};
  with_bool(n.relu, [&](auto relu) {
    with_bool(masked != nullptr, [&](auto stored) {
      sum_channels(n.rows, n.channels, 2, results,
                   [=, &mean](std::int64_t at, std::int64_t count, float* __restrict partial) {
                     const T* __restrict in = x + at;
                     const float* __restrict mu = mean;
                     float* __restrict second = partial + width;
                     for (std::int64_t i = 0; i < count; ++i) {
                       const float g = passed<relu>(y + at, dy + at, i);
                       if constexpr (stored) masked[at + i] = T(g);
                       partial[i] += g;
                       second[i] += g * (float(in[i]) - mu[i]);
                     }
                   });
    });
  });
  for (std::int64_t c = 0; c < n.channels; ++c) sum_g_xhat[c] *= n.inverse_sd[c];
}

template <class T>
void normalize_backward(const Normalization& n, const T* x, const T* y, const T* dy,
                        const float* sum_g, const float* sum_g_xhat, T* dx) {
  const std::int64_t width = WideRows(n.rows, n.channels).width;
  const float per_row = 1.f / static_cast<float>(n.rows);
  // dx = a (g - k1 - (x - mean) k2) with one value of each per channel.
  thread_local std::vector<float> factors[3];
  for (auto& f : factors) f.resize(static_cast<std::size_t>(n.channels));
  for (std::int64_t c = 0; c < n.channels; ++c) {
    const auto at = static_cast<std::size_t>(c);
    factors[0][at] = n.inverse_sd[c] * (n.scale == nullptr ? 1.f : n.scale[c]);
    factors[1][at] = sum_g[c] * per_row;
    factors[2][at] = n.inverse_sd[c] * sum_g_xhat[c] * per_row;
  }
  const Repeated mean(n.mean, n.channels, width), factor(factors[0].data(), n.channels, width),
      first(factors[1].data(), n.channels, width), second(factors[2].data(), n.channels, width);
  with_bool(n.relu, [&](auto relu) {
    for_each_wide_row(n.rows, n.channels, [&](std::int64_t at, std::int64_t count) {
      const T* __restrict in = x + at;
      const float* __restrict mu = mean;
      const float* __restrict a = factor;
      const float* __restrict k1 = first;
      const float* __restrict k2 = second;
      T* __restrict out = dx + at;
      for (std::int64_t i = 0; i < count; ++i)
        out[i] =
            T(a[i] * (passed<relu>(y + at, dy + at, i) - k1[i] - (float(in[i]) - mu[i]) * k2[i]));
    });
  });
}

#define BITWRIGHT_FOR_TYPE(T)                                                                   \
  template void channel_moments(std::int64_t, std::int64_t, const T*, float*, float*);          \
  template void normalize(const Normalization&, const T*, const T*, T*);                        \
  template void normalize_gradient_sums(const Normalization&, const T*, const T*, const T*, T*, \
                                        float*, float*);                                        \
  template void normalize_backward(const Normalization&, const T*, const T*, const T*,          \
                                   const float*, const float*, T*);
BITWRIGHT_FOR_TYPE(float)
BITWRIGHT_FOR_TYPE(bfloat16)
#undef BITWRIGHT_FOR_TYPE

}  // namespace bitwright::kernels
