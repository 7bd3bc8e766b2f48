#pragma once
// Plain double-precision versions of what the engine computes, written for being obviously right:
// no blocking, no threads, row-major NCHW. Tests compare the engine against them.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <bitwright/core/rng.h>
#include <bitwright/tensor/tensor.h>

namespace bitwright::naive {

struct Array {
  Shape shape;
  std::vector<double> values;

  Array() = default;
  explicit Array(Shape s) : shape(std::move(s)), values(static_cast<std::size_t>(shape.numel())) {}
  std::int64_t size() const { return static_cast<std::int64_t>(values.size()); }
  double& operator[](std::int64_t i) { return values.at(static_cast<std::size_t>(i)); }
  double operator[](std::int64_t i) const { return values.at(static_cast<std::size_t>(i)); }
  std::int64_t at(std::int64_t i, std::int64_t j) const { return i * shape[1] + j; }
  std::int64_t at(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w) const {
    return ((n * shape[1] + c) * shape[2] + h) * shape[3] + w;
  }
  double norm() const {
    double sum = 0;
    for (double v : values) sum += v * v;
    return std::sqrt(sum);
  }
};

/// The elements in row-major order, whatever the tensor's layout.
inline Array to_array(const Tensor& tensor) {
  Array a(tensor.shape());
  Tensor plain = Tensor::empty({tensor.shape(), tensor.type(), Layout::plain});
  plain.copy_from(tensor);
  for (std::int64_t i = 0; i < a.size(); ++i)
    a[i] = tensor.type() == DType::i32    ? plain.i32()[i]
           : tensor.type() == DType::u8   ? plain.u8()[i]
           : tensor.type() == DType::bf16 ? static_cast<double>(plain.bf16()[i])
                                          : static_cast<double>(plain.f32()[i]);
  return a;
}

inline Tensor to_tensor(const Array& a, Layout layout = Layout::plain, DType type = DType::f32) {
  Tensor plain = Tensor::empty({a.shape, type}), result = Tensor::empty({a.shape, type, layout});
  for_float_type(type, [&]<class T>(T*) {
    for (std::int64_t i = 0; i < a.size(); ++i) plain.as<T>()[i] = T(static_cast<float>(a[i]));
  });
  result.copy_from(plain);
  return result;
}

/// Relative L2 distance; the absolute one where `expected` is all zero.
inline double distance(const Array& got, const Array& expected) {
  if (got.size() != expected.size()) return INFINITY;
  Array difference = expected;
  for (std::int64_t i = 0; i < got.size(); ++i) difference[i] -= got[i];
  const double norm = expected.norm();
  return difference.norm() / (norm > 0 ? norm : 1);
}

inline Array matmul(const Array& a, const Array& b) {
  Array c(Shape{a.shape[0], b.shape[1]});
  for (std::int64_t i = 0; i < a.shape[0]; ++i)
    for (std::int64_t j = 0; j < b.shape[1]; ++j)
      for (std::int64_t k = 0; k < a.shape[1]; ++k) c[c.at(i, j)] += a[a.at(i, k)] * b[b.at(k, j)];
  return c;
}

inline Array transpose(const Array& a) {
  Array t(Shape{a.shape[1], a.shape[0]});
  for (std::int64_t i = 0; i < a.shape[0]; ++i)
    for (std::int64_t j = 0; j < a.shape[1]; ++j) t[t.at(j, i)] = a[a.at(i, j)];
  return t;
}

/// One product of a convolution: y[n, o, i, j] gets x[n, c, h, w] * weight[o, c, u, v].
struct Tap {
  std::int64_t n, o, i, j, c, u, v, h, w;
};
template <class Body>
void for_each_tap(const Shape& x, const Shape& weight, std::int64_t stride, std::int64_t padding,
                  Body body) {
  const std::int64_t out_h = (x[2] + 2 * padding - weight[2]) / stride + 1;
  const std::int64_t out_w = (x[3] + 2 * padding - weight[3]) / stride + 1;
  Tap t{};
  for (t.n = 0; t.n < x[0]; ++t.n)
    for (t.o = 0; t.o < weight[0]; ++t.o)
      for (t.i = 0; t.i < out_h; ++t.i)
        for (t.j = 0; t.j < out_w; ++t.j)
          for (t.c = 0; t.c < x[1]; ++t.c)
            for (t.u = 0; t.u < weight[2]; ++t.u)
              for (t.v = 0; t.v < weight[3]; ++t.v) {
                t.h = t.i * stride + t.u - padding;
                t.w = t.j * stride + t.v - padding;
                if (t.h >= 0 && t.h < x[2] && t.w >= 0 && t.w < x[3]) body(t);
              }
}

inline Array conv2d(const Array& x, const Array& weight, const Array* bias, std::int64_t stride,
                    std::int64_t padding) {
  Array y(Shape{x.shape[0], weight.shape[0],
                (x.shape[2] + 2 * padding - weight.shape[2]) / stride + 1,
                (x.shape[3] + 2 * padding - weight.shape[3]) / stride + 1});
  if (bias != nullptr)
    for (std::int64_t k = 0; k < y.size(); ++k)
      y[k] = (*bias)[k / (y.shape[2] * y.shape[3]) % y.shape[1]];
  for_each_tap(x.shape, weight.shape, stride, padding, [&](const Tap& t) {
    y[y.at(t.n, t.o, t.i, t.j)] +=
        x[x.at(t.n, t.c, t.h, t.w)] * weight[weight.at(t.o, t.c, t.u, t.v)];
  });
  return y;
}

/// body(output index, input index of the first maximum) per pooling window.
template <class Body>
void for_each_maximum(const Array& x, std::int64_t size, std::int64_t stride, std::int64_t padding,
                      Body body) {
  const std::int64_t out_h = (x.shape[2] + 2 * padding - size) / stride + 1;
  const std::int64_t out_w = (x.shape[3] + 2 * padding - size) / stride + 1;
  std::int64_t out = 0;
  for (std::int64_t n = 0; n < x.shape[0]; ++n)
    for (std::int64_t c = 0; c < x.shape[1]; ++c)
      for (std::int64_t i = 0; i < out_h; ++i)
        for (std::int64_t j = 0; j < out_w; ++j) {
          std::int64_t best = -1;
          for (std::int64_t u = 0; u < size; ++u)
            for (std::int64_t v = 0; v < size; ++v) {
              const std::int64_t h = i * stride + u - padding, w = j * stride + v - padding;
              if (h < 0 || h >= x.shape[2] || w < 0 || w >= x.shape[3]) continue;
              const std::int64_t k = x.at(n, c, h, w);
              if (best < 0 || x[k] > x[best]) best = k;
            }
          body(out++, best);
        }
}

/// The channel (axis 1) of element i.
inline std::int64_t channel_of(const Shape& shape, std::int64_t i) {
  for (int axis = shape.rank() - 1; axis > 1; --axis) i /= shape[axis];
  return i % shape[1];
}

struct Moments {
  Array mean, variance;  ///< biased
};
inline Moments moments(const Array& x) {
  const std::int64_t channels = x.shape[1];
  const double rows = static_cast<double>(x.size() / channels);
  Moments m{Array(Shape{channels}), Array(Shape{channels})};
  for (std::int64_t i = 0; i < x.size(); ++i) m.mean[channel_of(x.shape, i)] += x[i] / rows;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const std::int64_t c = channel_of(x.shape, i);
    m.variance[c] += (x[i] - m.mean[c]) * (x[i] - m.mean[c]) / rows;
  }
  return m;
}

/// Softmax over axis `axis` of a matrix.
inline Array softmax(const Array& x, int axis, double factor = 1) {
  const std::int64_t rows = x.shape[0], columns = x.size() / rows;
  const std::int64_t lines = axis == 1 ? rows : columns, length = axis == 1 ? columns : rows;
  Array p(x.shape);
  for (std::int64_t line = 0; line < lines; ++line) {
    const auto index = [&](std::int64_t k) {
      return axis == 1 ? line * columns + k : k * columns + line;
    };
    double sum = 0, top = -INFINITY;
    for (std::int64_t k = 0; k < length; ++k) top = std::max(top, factor * x[index(k)]);
    for (std::int64_t k = 0; k < length; ++k)
      sum += p[index(k)] = std::exp(factor * x[index(k)] - top);
    for (std::int64_t k = 0; k < length; ++k) p[index(k)] /= sum;
  }
  return p;
}

/// Random multiples of 1/512 in [low, high): exact in fp32, also after a step of a finite
/// difference.
inline Array random(const Rng& rng, const Shape& shape, double low = -2, double high = 2) {
  Array a(shape);
  for (std::int64_t i = 0; i < a.size(); ++i)
    a[i] = std::floor(rng.uniform(static_cast<std::uint64_t>(i), low, high) * 512) / 512;
  return a;
}

}  // namespace bitwright::naive
