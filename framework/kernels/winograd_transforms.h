#pragma once
// The one-dimensional transforms of Winograd's F(4, 3) on rows of `lanes` channels, with the points
// 0, 1, -1, 2, -2 and infinity (Lavin and Gray 2016, section 4.3). A two-dimensional transform
// applies one along columns, then along rows. Elements are float or, at the ends, bfloat16. They
// are inlined by force: a copy outside the loops of parallel_for would be compiled for the
// baseline.

#include <cstdint>

namespace bitwright::kernels::winograd {

inline constexpr int kTile = 4;   ///< outputs of a tile, along one axis
inline constexpr int kPatch = 6;  ///< inputs of a tile, and its frequencies
inline constexpr int kKernel = 3;

/// u = B^T d: six pixels to six frequencies.
template <class In, class Out>
[[gnu::always_inline]] inline void input_transform(const In* const* d, Out* const* u,
                                                   std::int64_t lanes) {
  const In *d0 = d[0], *d1 = d[1], *d2 = d[2], *d3 = d[3], *d4 = d[4], *d5 = d[5];
  Out *u0 = u[0], *u1 = u[1], *u2 = u[2], *u3 = u[3], *u4 = u[4], *u5 = u[5];
#pragma GCC ivdep
  for (std::int64_t i = 0; i < lanes; ++i) {
    const float a = float(d0[i]), b = float(d1[i]), c = float(d2[i]);
    const float d = float(d3[i]), e = float(d4[i]), f = float(d5[i]);
    const float even = e - 4 * c, odd = d - 4 * b, narrow = e - c, wide = 2 * (d - b);
    u0[i] = 4 * a - 5 * c + e;
    u1[i] = even + odd;
    u2[i] = even - odd;
    u3[i] = narrow + wide;
    u4[i] = narrow - wide;
    u5[i] = 4 * b - 5 * d + f;
  }
}

/// y = A^T m: six frequencies to four outputs. finish(k, i, v) turns output k of lane i into what
/// is stored.
template <class In, class Out, class Finish>
[[gnu::always_inline]] inline void output_transform(const In* const* m, Out* const* y,
                                                    std::int64_t lanes, const Finish& finish) {
  const In *m0 = m[0], *m1 = m[1], *m2 = m[2], *m3 = m[3], *m4 = m[4], *m5 = m[5];
  Out *y0 = y[0], *y1 = y[1], *y2 = y[2], *y3 = y[3];
#pragma GCC ivdep
  for (std::int64_t i = 0; i < lanes; ++i) {
    const float sum1 = m1[i] + m2[i], difference1 = m1[i] - m2[i];
    const float sum2 = m3[i] + m4[i], difference2 = m3[i] - m4[i];
    y0[i] = Out(finish(0, i, m0[i] + sum1 + sum2));
    y1[i] = Out(finish(1, i, difference1 + 2 * difference2));
    y2[i] = Out(finish(2, i, sum1 + 4 * sum2));
    y3[i] = Out(finish(3, i, difference1 + 8 * difference2 + m5[i]));
  }
}
template <class In, class Out>
[[gnu::always_inline]] inline void output_transform(const In* const* m, Out* const* y,
                                                    std::int64_t lanes) {
  output_transform(m, y, lanes, [](int, std::int64_t, float v) { return v; });
}

/// m = A y: the transpose of output_transform, for gradients of the weights.
template <class In, class Out>
[[gnu::always_inline]] inline void output_gradient_transform(const In* const* y, Out* const* m,
                                                             std::int64_t lanes) {
  const In *y0 = y[0], *y1 = y[1], *y2 = y[2], *y3 = y[3];
  Out *m0 = m[0], *m1 = m[1], *m2 = m[2], *m3 = m[3], *m4 = m[4], *m5 = m[5];
#pragma GCC ivdep
  for (std::int64_t i = 0; i < lanes; ++i) {
    const float a = float(y0[i]), b = float(y1[i]), c = float(y2[i]), d = float(y3[i]);
    const float even1 = a + c, odd1 = b + d, even2 = a + 4 * c, odd2 = 2 * b + 8 * d;
    m0[i] = a;
    m1[i] = even1 + odd1;
    m2[i] = even1 - odd1;
    m3[i] = even2 + odd2;
    m4[i] = even2 - odd2;
    m5[i] = d;
  }
}

/// u = G g: three weights to six frequencies.
template <class In, class Out>
[[gnu::always_inline]] inline void weight_transform(const In* const* g, Out* const* u,
                                                    std::int64_t lanes) {
  const In *g0 = g[0], *g1 = g[1], *g2 = g[2];
  Out *u0 = u[0], *u1 = u[1], *u2 = u[2], *u3 = u[3], *u4 = u[4], *u5 = u[5];
#pragma GCC ivdep
  for (std::int64_t i = 0; i < lanes; ++i) {
    const float a = g0[i], b = g1[i], c = g2[i];
    const float outer = (a + c) * (-1.f / 6), middle = b * (-1.f / 6);
    const float outer2 = a * (1.f / 24) + c * (1.f / 6), middle2 = b * (1.f / 12);
    u0[i] = a * 0.25f;
    u1[i] = outer + middle;
    u2[i] = outer - middle;
    u3[i] = outer2 + middle2;
    u4[i] = outer2 - middle2;
    u5[i] = c;
  }
}

/// g = G^T u: the transpose of weight_transform.
template <class In, class Out>
[[gnu::always_inline]] inline void weight_gradient_transform(const In* const* u, Out* const* g,
                                                             std::int64_t lanes) {
  const In *u0 = u[0], *u1 = u[1], *u2 = u[2], *u3 = u[3], *u4 = u[4], *u5 = u[5];
  Out *g0 = g[0], *g1 = g[1], *g2 = g[2];
#pragma GCC ivdep
  for (std::int64_t i = 0; i < lanes; ++i) {
    const float sum1 = (u1[i] + u2[i]) * (-1.f / 6), difference1 = (u2[i] - u1[i]) * (1.f / 6);
    const float sum2 = u3[i] + u4[i], difference2 = u3[i] - u4[i];
    g0[i] = u0[i] * 0.25f + sum1 + sum2 * (1.f / 24);
    g1[i] = difference1 + difference2 * (1.f / 12);
    g2[i] = sum1 + sum2 * (1.f / 6) + u5[i];
  }
}

}  // namespace bitwright::kernels::winograd
