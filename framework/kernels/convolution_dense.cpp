// Convolution of images that are not larger than the kernel, as one matrix product: the image is a
// vector of its pixels and channels, and the weights are spread over a matrix from every input
// pixel to every output pixel. Patches of so small images are mostly padding; here no product is
// wasted on it.
#include <algorithm>

#include <bitwright/core/parallel.h>

#include "kernels/convolution.h"
#include "kernels/convolution_epilogue.h"
#include "kernels/convolution_weights.h"
#include "kernels/matmul.h"
#include "kernels/workspace.h"

namespace bitwright::kernels {
namespace {

// One side of the matrix: `pixels` x `channels` numbers of an image.
struct Side {
  std::int64_t pixels, channels;
  std::int64_t size() const { return pixels * channels; }
};

// The tap through which input pixel `in` reaches output pixel `out`, or -1.
std::int64_t tap_between(const ConvShape& s, std::int64_t in, std::int64_t out) {
  const std::int64_t u = in / s.w + s.padding - out / s.out_w() * s.stride,
                     v = in % s.w + s.padding - out % s.out_w() * s.stride;
  if (u < 0 || u >= s.kernel_h || v < 0 || v >= s.kernel_w) return -1;
  return u * s.kernel_w + v;
}

// The matrix of one layer from inputs to outputs or, transposed, from outputs to inputs.
class DenseMatrix {
 public:
  DenseMatrix(const ConvShape& s, bool transposed)
      : shape_(s),
        transposed_(transposed),
        from_{s.h * s.w, s.c},
        to_{s.out_h() * s.out_w(), s.out_channels},
        taps_(Tensor::empty({Shape{s.kernel_h * s.kernel_w, s.c, s.out_channels}, s.type})),
        reorder_(plain_weights(s), tap_matrices(s, transposed, s.type)) {
    if (transposed) std::swap(from_, to_);
    workspace(bytes());
  }
  const Side& from() const { return from_; }
  const Side& to() const { return to_; }

  /// Of `weight`, in the workspace.
  const void* of(const float* weight) {
    reorder_.run(weight, taps_.data());
    void* const matrix = workspace(bytes());
    for_float_type(shape_.type,
                   [&]<class T>(T*) { spread(taps_.as<T>(), static_cast<T*>(matrix)); });
    return matrix;
  }

 private:
  std::size_t bytes() const {
    return static_cast<std::size_t>(from_.size() * to_.size()) * size_of(shape_.type);
  }
  template <class T>
  void spread(const T* taps, T* matrix) const {
    parallel_for(from_.size(), 8, [=, this](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row)
        for (std::int64_t p = 0; p < to_.pixels; ++p) {
          const std::int64_t q = row / from_.channels, c = row % from_.channels,
                             tap = transposed_ ? tap_between(shape_, p, q)
                                               : tap_between(shape_, q, p);
          T* const place = matrix + row * to_.size() + p * to_.channels;
          if (tap < 0)
            std::fill_n(place, to_.channels, T(0.f));
          else
            std::copy_n(taps + (tap * from_.channels + c) * to_.channels, to_.channels, place);
        }
    });
  }

  ConvShape shape_;
  bool transposed_;
  Side from_, to_;
  Tensor taps_;
  api::Reorder reorder_;
};

Matmul product_by(const ConvShape& s, const DenseMatrix& matrix) {
  return Matmul({.m = s.n,
                 .n = matrix.to().size(),
                 .k = matrix.from().size(),
                 .type = s.type,
                 .result = s.type});
}

class DenseForward final : public ConvForward {
 public:
  explicit DenseForward(const ConvShape& s)
      : shape_(s), matrix_(s, false), product_(product_by(s, matrix_)) {}
  void run(const void* x, const float* weight, const ConvEpilogueData& more, void* y) override {
    product_.run(x, matrix_.of(weight), nullptr, y);
    if (!shape_.epilogue.shift && !shape_.epilogue.more_than_bias()) return;
    for_float_type(shape_.type, [&]<class T>(T*) {
      finish_outputs(shape_, more, static_cast<const T*>(y), static_cast<T*>(y));
    });
  }

 private:
  ConvShape shape_;
  DenseMatrix matrix_;
  Matmul product_;
};

class DenseBackwardData final : public ConvBackwardData {
 public:
  explicit DenseBackwardData(const ConvShape& s)
      : matrix_(s, true), product_(product_by(s, matrix_)) {}
  void run(const void* dy, const float* weight, void* dx) override {
    product_.run(dy, matrix_.of(weight), nullptr, dx);
  }

 private:
  DenseMatrix matrix_;
  Matmul product_;
};

class DenseBackwardWeights final : public ConvBackwardWeights {
 public:
  explicit DenseBackwardWeights(const ConvShape& s)
      : shape_(s),
        in_{s.h * s.w, s.c},
        out_{s.out_h() * s.out_w(), s.out_channels},
        taps_(Tensor::empty(Shape{s.kernel_h * s.kernel_w, s.c, s.out_channels})),
        reorder_(tap_matrices(s, false, DType::f32), plain_weights(s)),
        product_(
            {.m = in_.size(), .n = out_.size(), .k = s.n, .transpose_a = true, .type = s.type}) {
    workspace(bytes());
  }
  void run(const void* x, const void* dy, float* dw) override {
    auto* const matrix = reinterpret_cast<float*>(workspace(bytes()));
    product_.run(x, dy, nullptr, matrix);
    gather(matrix, taps_.f32());
    reorder_.run(taps_.f32(), dw);
  }

 private:
  std::size_t bytes() const {
    return static_cast<std::size_t>(in_.size() * out_.size()) * sizeof(float);
  }
  // Each weight's gradient is the sum over the places of the matrix that it was spread to.
  void gather(const float* matrix, float* taps) const {
    const std::int64_t channels = out_.channels;
    parallel_for(taps_.shape()[0] * in_.channels, 8,
                 [=, this](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row) {
                     const std::int64_t tap = row / in_.channels, c = row % in_.channels;
                     float* const sum = taps + row * channels;
                     std::fill_n(sum, channels, 0.f);
                     for (std::int64_t q = 0; q < in_.pixels; ++q)
                       for (std::int64_t p = 0; p < out_.pixels; ++p) {
                         if (tap_between(shape_, q, p) != tap) continue;
                         const float* const place =
                             matrix + (q * in_.channels + c) * out_.size() + p * channels;
                         for (std::int64_t o = 0; o < channels; ++o) sum[o] += place[o];
                       }
                   }
                 });
  }

  ConvShape shape_;
  Side in_, out_;
  Tensor taps_;
  api::Reorder reorder_;
  Matmul product_;
};

}  // namespace

bool dense_fits(const ConvShape& s) {
  return s.groups == 1 && s.h * s.w <= s.kernel_h * s.kernel_w;
}

std::unique_ptr<ConvForward> dense_forward(const ConvShape& shape) {
  return std::make_unique<DenseForward>(shape);
}
std::unique_ptr<ConvBackwardData> dense_backward_data(const ConvShape& shape) {
  return std::make_unique<DenseBackwardData>(shape);
}
std::unique_ptr<ConvBackwardWeights> dense_backward_weights(const ConvShape& shape) {
  return std::make_unique<DenseBackwardWeights>(shape);
}

}  // namespace bitwright::kernels
