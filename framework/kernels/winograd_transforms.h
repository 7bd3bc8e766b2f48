#pragma once
// The one-dimensional transforms of Winograd's F(4, 3) on rows of `lanes` channels (Lavin and Gray
// 2016, section 4.3), with the points 0, p, -p, q, -q and infinity. A two-dimensional transform
// applies one along columns, then along rows. Elements are float or, at the ends, bfloat16. They
// are inlined by force: a copy outside the loops of parallel_for would be compiled for the
// baseline.

#include <cstdint>

namespace bitwright::kernels::winograd {

inline constexpr int kTile = 4;   ///< outputs of a tile, along one axis
inline constexpr int kPatch = 6;  ///< inputs of a tile, and its frequencies
inline constexpr int kKernel = 3;

// Half the rounding errors of the usual points 1 and 2: the powers of p and q, by which frequencies
// count, and the differences of their squares, by which weights are divided, stay closer to 1
// (Barabasz et al. 2020, arXiv:1803.10986, choose points this way). All these are exact in float.
inline constexpr float kP = 0.625f, kQ = 1.5f;
inline constexpr float kP2 = kP * kP, kQ2 = kQ * kQ, kP3 = kP2 * kP, kQ3 = kQ2 * kQ;
// The weights' divisors: products of a point's differences to the other ones.
inline constexpr double kAtZero = double{kP2} * kQ2;
inline constexpr double kAtP = 2.0 * kP2 * (kP2 - kQ2), kAtQ = 2.0 * kQ2 * (kQ2 - kP2);
inline constexpr float kZeroShare = float(1 / kAtZero);
inline constexpr float kPShare = float(1 / kAtP), kPShare1 = float(kP / kAtP),
                       kPShare2 = float(kP2 / kAtP);
inline constexpr float kQShare = float(1 / kAtQ), kQShare1 = float(kQ / kAtQ),
                       kQShare2 = float(kQ2 / kAtQ);

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
    const float even_p = e - kQ2 * c, odd_p = kP * (d - kQ2 * b);
    const float even_q = e - kP2 * c, odd_q = kQ * (d - kP2 * b);
    u0[i] = Out(kP2 * kQ2 * a - (kP2 + kQ2) * c + e);
    u1[i] = Out(even_p + odd_p);
    u2[i] = Out(even_p - odd_p);
    u3[i] = Out(even_q + odd_q);
    u4[i] = Out(even_q - odd_q);
    u5[i] = Out(kP2 * kQ2 * b - (kP2 + kQ2) * d + f);
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
    const float sum_p = m1[i] + m2[i], difference_p = m1[i] - m2[i];
    const float sum_q = m3[i] + m4[i], difference_q = m3[i] - m4[i];
    y0[i] = Out(finish(0, i, m0[i] + sum_p + sum_q));
    y1[i] = Out(finish(1, i, kP * difference_p + kQ * difference_q));
    y2[i] = Out(finish(2, i, kP2 * sum_p + kQ2 * sum_q));
    y3[i] = Out(finish(3, i, kP3 * difference_p + kQ3 * difference_q + m5[i]));
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
    const float even_p = a + kP2 * c, odd_p = kP * b + kP3 * d;
    const float even_q = a + kQ2 * c, odd_q = kQ * b + kQ3 * d;
    m0[i] = Out(a);
    m1[i] = Out(even_p + odd_p);
    m2[i] = Out(even_p - odd_p);
    m3[i] = Out(even_q + odd_q);
    m4[i] = Out(even_q - odd_q);
    m5[i] = Out(d);
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
    const float even_p = kPShare * a + kPShare2 * c, odd_p = kPShare1 * b;
    const float even_q = kQShare * a + kQShare2 * c, odd_q = kQShare1 * b;
    u0[i] = Out(kZeroShare * a);
    u1[i] = Out(even_p + odd_p);
    u2[i] = Out(even_p - odd_p);
    u3[i] = Out(even_q + odd_q);
    u4[i] = Out(even_q - odd_q);
    u5[i] = Out(c);
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
    const float sum_p = u1[i] + u2[i], difference_p = u1[i] - u2[i];
    const float sum_q = u3[i] + u4[i], difference_q = u3[i] - u4[i];
    g0[i] = kZeroShare * u0[i] + kPShare * sum_p + kQShare * sum_q;
    g1[i] = kPShare1 * difference_p + kQShare1 * difference_q;
    g2[i] = kPShare2 * sum_p + kQShare2 * sum_q + u5[i];
  }
}

}  // namespace bitwright::kernels::winograd
