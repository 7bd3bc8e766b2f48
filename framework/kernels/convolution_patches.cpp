// Convolution as one matrix product: row (n, i, j) of the patch matrix holds the kernel_h x
// kernel_w x C inputs of output pixel (i, j). Worth its memory traffic where images are small.
#include <algorithm>
#include <vector>

#include <bitwright/core/parallel.h>

#include "kernels/convolution.h"
#include "kernels/convolution_epilogue.h"
#include "kernels/convolution_weights.h"
#include "kernels/matmul.h"
#include "kernels/workspace.h"

namespace bitwright::kernels {
namespace {

// Sizes of the matrices of one layer.
struct Patches {
  ConvShape s;
  std::int64_t rows, taps, width;  ///< output pixels; kernel area; elements of a patch
  explicit Patches(const ConvShape& shape)
      : s(shape),
        rows(shape.n * shape.out_h() * shape.out_w()),
        taps(shape.kernel_h * shape.kernel_w),
        width(taps * shape.c) {}
  /// A 1x1 kernel without stride reads the image as it lies.
  bool image_is_matrix() const { return taps == 1 && s.stride == 1 && s.padding == 0; }
  std::size_t bytes() const { return static_cast<std::size_t>(rows * width) * size_of(s.type); }

  /// Weights as a matrix [O, taps * C]; tap_matrices are [taps * C, O].
  api::Desc transposed_weight_matrix() const {
    return {{s.out_channels, s.c, s.kernel_h, s.kernel_w},
            api::type_of(s.type),
            api::Dims{width, 1, s.kernel_w * s.c, s.c}};
  }
};

template <class T>
void gather_patches(const Patches& p, const T* x, T* out) {
  const ConvShape s = p.s;
  const std::int64_t width = p.width;
  parallel_for(s.n * s.out_h(), 1, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t line = begin; line < end; ++line) {
      const std::int64_t n = line / s.out_h(), i = line % s.out_h();
      T* to = out + line * s.out_w() * width;
      for (std::int64_t j = 0; j < s.out_w(); ++j)
        for (std::int64_t u = 0; u < s.kernel_h; ++u)
          for (std::int64_t v = 0; v < s.kernel_w; ++v, to += s.c) {
            const std::int64_t y = i * s.stride + u - s.padding, z = j * s.stride + v - s.padding;
            if (y >= 0 && y < s.h && z >= 0 && z < s.w)
              std::copy_n(x + ((n * s.h + y) * s.w + z) * s.c, s.c, to);
            else
              std::fill_n(to, s.c, T(0.f));
          }
    }
  });
}

// The transpose of gather_patches: each input pixel adds up what its patches hold for it.
template <class T>
void add_patches(const Patches& p, const T* patches, T* x) {
  const ConvShape s = p.s;
  const std::int64_t width = p.width;
  parallel_for(s.n * s.h, 1, [=](std::int64_t begin, std::int64_t end) {
    constexpr std::int64_t kStrip = 256;
    float sum[kStrip];
    for (std::int64_t pixel = begin * s.w; pixel < end * s.w; ++pixel) {
      const std::int64_t n = pixel / (s.h * s.w), y = pixel / s.w % s.h, z = pixel % s.w;
      for (std::int64_t first = 0; first < s.c; first += kStrip) {
        const std::int64_t lanes = std::min(kStrip, s.c - first);
        std::fill_n(sum, lanes, 0.f);
        for (std::int64_t u = 0; u < s.kernel_h; ++u)
          for (std::int64_t v = 0; v < s.kernel_w; ++v) {
            const std::int64_t i = y + s.padding - u, j = z + s.padding - v;
            if (i < 0 || j < 0 || i % s.stride != 0 || j % s.stride != 0) continue;
            if (i / s.stride >= s.out_h() || j / s.stride >= s.out_w()) continue;
            const T* const from =
                patches + ((n * s.out_h() + i / s.stride) * s.out_w() + j / s.stride) * width +
                (u * s.kernel_w + v) * s.c + first;
            for (std::int64_t c = 0; c < lanes; ++c) sum[c] += float(from[c]);
          }
        T* const to = x + pixel * s.c + first;
        for (std::int64_t c = 0; c < lanes; ++c) to[c] = T(sum[c]);
      }
    }
  });
}

// The patch matrix of x, in the workspace unless x is that matrix.
const void* patches_of(const Patches& p, const void* x) {
  if (p.image_is_matrix()) return x;
  void* const out = workspace(p.bytes());
  for_float_type(p.s.type, [&]<class T>(T*) {
    gather_patches(p, static_cast<const T*>(x), static_cast<T*>(out));
  });
  return out;
}

class PatchesForward final : public ConvForward {
 public:
  explicit PatchesForward(const ConvShape& s)
      : patches_(s),
        weight_(Tensor::empty({Shape{patches_.width, s.out_channels}, s.type})),
        reorder_(plain_weights(s), tap_matrices(s, false, s.type)),
        product_({.m = patches_.rows,
                  .n = s.out_channels,
                  .k = patches_.width,
                  .bias = s.epilogue.shift && !s.epilogue.more_than_bias(),
                  .type = s.type,
                  .result = s.type}) {
    workspace(patches_.bytes());
  }
  void run(const void* x, const float* weight, const ConvEpilogueData& more, void* y) override {
    reorder_.run(weight, weight_.data());
    product_.run(patches_of(patches_, x), weight_.data(), more.shift, y);
    if (!patches_.s.epilogue.more_than_bias()) return;
    for_float_type(patches_.s.type, [&]<class T>(T*) {
      finish_outputs(patches_.s, more, static_cast<const T*>(y), static_cast<T*>(y));
    });
  }

 private:
  Patches patches_;
  Tensor weight_;
  api::Reorder reorder_;
  Matmul product_;
};

class PatchesBackwardData final : public ConvBackwardData {
 public:
  explicit PatchesBackwardData(const ConvShape& s)
      : patches_(s),
        weight_(Tensor::empty({Shape{s.out_channels, patches_.width}, s.type})),
        reorder_(plain_weights(s), patches_.transposed_weight_matrix()),
        product_({.m = patches_.rows,
                  .n = patches_.width,
                  .k = s.out_channels,
                  .type = s.type,
                  .result = s.type}) {
    workspace(patches_.bytes());
  }
  void run(const void* dy, const float* weight, void* dx) override {
    reorder_.run(weight, weight_.data());
    if (patches_.image_is_matrix()) return product_.run(dy, weight_.data(), nullptr, dx);
    void* const all = workspace(patches_.bytes());
    product_.run(dy, weight_.data(), nullptr, all);
    for_float_type(patches_.s.type, [&]<class T>(T*) {
      add_patches(patches_, static_cast<const T*>(all), static_cast<T*>(dx));
    });
  }

 private:
  Patches patches_;
  Tensor weight_;
  api::Reorder reorder_;
  Matmul product_;
};

class PatchesBackwardWeights final : public ConvBackwardWeights {
 public:
  explicit PatchesBackwardWeights(const ConvShape& s)
      : patches_(s),
        gradient_(Tensor::empty(Shape{patches_.width, s.out_channels})),
        reorder_(tap_matrices(s, false, DType::f32), plain_weights(s)),
        product_({.m = patches_.width,
                  .n = s.out_channels,
                  .k = patches_.rows,
                  .transpose_a = true,
                  .type = s.type}) {
    workspace(patches_.bytes());
  }
  void run(const void* x, const void* dy, float* dw) override {
    product_.run(patches_of(patches_, x), dy, nullptr, gradient_.f32());
    reorder_.run(gradient_.f32(), dw);
  }

 private:
  Patches patches_;
  Tensor gradient_;
  api::Reorder reorder_;
  Matmul product_;
};

}  // namespace

bool patches_fit(const ConvShape& s) { return s.groups == 1; }

std::unique_ptr<ConvForward> patches_forward(const ConvShape& shape) {
  return std::make_unique<PatchesForward>(shape);
}
std::unique_ptr<ConvBackwardData> patches_backward_data(const ConvShape& shape) {
  return std::make_unique<PatchesBackwardData>(shape);
}
std::unique_ptr<ConvBackwardWeights> patches_backward_weights(const ConvShape& shape) {
  return std::make_unique<PatchesBackwardWeights>(shape);
}

}  // namespace bitwright::kernels
