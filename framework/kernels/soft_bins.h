#pragma once
// Values softly assigned to the levels 0 .. levels - 1: w_nk = softmax over k of -T (x_n - k)^2.
// Only levels whose weight can reach 2e-9 of the nearest one's are looked at.

#include <cstdint>

namespace bitwright::kernels {

struct SoftBinShape {
  std::int64_t levels = 2;
  float temperature = 10;  ///< T > 0
};

/// Chunks that n values are summed in; their number does not depend on the threads.
std::int64_t soft_bin_chunks(std::int64_t n);

/// sums[k] = sum over n of w_nk. x lies in [0, levels - 1]; `partial` has soft_bin_chunks(n) *
/// levels elements.
void soft_bin_sums(const SoftBinShape& shape, std::int64_t n, const float* x, double* partial,
                   double* sums);

/// g[n] = sum over k of w_nk (k - mean_n) v[k], mean_n = sum over k of w_nk k: the covariance of k
/// and v under w_n.
void soft_bin_covariance(const SoftBinShape& shape, std::int64_t n, const float* x, const float* v,
                         float* g);

}  // namespace bitwright::kernels
