#pragma once
// 2-D convolution of fixed shape, planned once (oneDNN, direct algorithm).
// Images are channels_last (nhwc), weights plain OIHW; oneDNN's own weight form is internal.

#include <cstdint>
#include <memory>

namespace bitwright::kernels {

class Convolution {
 public:
  struct Plan {
    std::int64_t n = 0, c = 0, h = 0, w = 0;  ///< input
    std::int64_t out_channels = 0, kernel_h = 0, kernel_w = 0;
    std::int64_t stride = 1, padding = 0;
    bool bias = false;
    std::int64_t out_h() const { return (h + 2 * padding - kernel_h) / stride + 1; }
    std::int64_t out_w() const { return (w + 2 * padding - kernel_w) / stride + 1; }
  };
  explicit Convolution(const Plan& plan);
  ~Convolution();

  void forward(const float* x, const float* weight, const float* bias, float* y);
  /// dx from dy; uses `weight`.
  void backward_data(const float* dy, const float* weight, float* dx);
  /// dw (and dbias, unless null) from x and dy.
  void backward_weights(const float* x, const float* dy, float* dw, float* dbias);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bitwright::kernels
