#pragma once
// 2-D convolution of fixed shape, planned once: an algorithm for each pass, chosen by a fixed rule.
// Images are channels_last (nhwc) in f32 or bf16; weights and their gradients are plain OIHW, f32.

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include <bitwright/tensor/tensor.h>

namespace bitwright::kernels {

/// Which parts of y = max(0, conv * scale + shift + residual) a forward pass computes before it
/// stores y. Scale and shift (a bias) are per output channel; the residual has the form of y.
struct ConvEpilogue {
  bool scale = false, shift = false, residual = false, relu = false;
  bool more_than_bias() const { return scale || residual || relu; }
};
/// The operands of those parts; null for those that are not there.
struct ConvEpilogueData {
  const float *scale = nullptr, *shift = nullptr;
  const void* residual = nullptr;
};

struct ConvShape {
  std::int64_t n = 0, c = 0, h = 0, w = 0;  ///< input
  std::int64_t out_channels = 0, kernel_h = 0, kernel_w = 0;
  std::int64_t stride = 1, padding = 0, groups = 1;
  ConvEpilogue epilogue = {};
  DType type = DType::f32;  ///< of the images
  std::int64_t out_h() const { return (h + 2 * padding - kernel_h) / stride + 1; }
  std::int64_t out_w() const { return (w + 2 * padding - kernel_w) / stride + 1; }
  Shape weight() const { return {out_channels, c / groups, kernel_h, kernel_w}; }
};

enum class ConvAlgorithm { direct, winograd, winograd_bf16, patches, dense };

/// One algorithm for each pass of a convolution.
struct ConvChoice {
  ConvAlgorithm forward = ConvAlgorithm::direct, backward_data = ConvAlgorithm::direct,
                backward_weights = ConvAlgorithm::direct;
  bool operator==(const ConvChoice&) const = default;
};

// One pass by one algorithm. Image pointers are to elements of ConvShape::type.
class ConvForward {
 public:
  virtual ~ConvForward() = default;
  virtual void run(const void* x, const float* weight, const ConvEpilogueData& more, void* y) = 0;
};
class ConvBackwardData {
 public:
  virtual ~ConvBackwardData() = default;
  virtual void run(const void* dy, const float* weight, void* dx) = 0;
};
class ConvBackwardWeights {
 public:
  virtual ~ConvBackwardWeights() = default;
  /// Overwrites dw.
  virtual void run(const void* x, const void* dy, float* dw) = 0;
};

/// oneDNN's direct algorithms: every shape.
std::unique_ptr<ConvForward> direct_forward(const ConvShape& shape);
std::unique_ptr<ConvBackwardData> direct_backward_data(const ConvShape& shape);
std::unique_ptr<ConvBackwardWeights> direct_backward_weights(const ConvShape& shape);

/// Winograd's F(4x4, 3x3) (Lavin and Gray 2016), computed in f32: 3x3, stride 1, padding 1, one
/// group.
bool winograd_fits(const ConvShape& shape);
std::unique_ptr<ConvForward> winograd_forward(const ConvShape& shape);
std::unique_ptr<ConvBackwardData> winograd_backward_data(const ConvShape& shape);
std::unique_ptr<ConvBackwardWeights> winograd_backward_weights(const ConvShape& shape);
/// The gradients of bf16 images by products of bf16 frequencies: twice as fast, relative errors of
/// about 1e-2.
bool winograd_bf16_fits(const ConvShape& shape);
std::unique_ptr<ConvBackwardData> winograd_bf16_backward_data(const ConvShape& shape);
std::unique_ptr<ConvBackwardWeights> winograd_bf16_backward_weights(const ConvShape& shape);

/// Matrix products on image patches: one group.
bool patches_fit(const ConvShape& shape);
std::unique_ptr<ConvForward> patches_forward(const ConvShape& shape);
std::unique_ptr<ConvBackwardData> patches_backward_data(const ConvShape& shape);
std::unique_ptr<ConvBackwardWeights> patches_backward_weights(const ConvShape& shape);

/// One matrix from all inputs of an image to all outputs: one group, images not larger than the
/// kernel.
bool dense_fits(const ConvShape& shape);
std::unique_ptr<ConvForward> dense_forward(const ConvShape& shape);
std::unique_ptr<ConvBackwardData> dense_backward_data(const ConvShape& shape);
std::unique_ptr<ConvBackwardWeights> dense_backward_weights(const ConvShape& shape);

/// What is known of an algorithm, by its place in ConvAlgorithm.
struct ConvAlgorithmEntry {
  ConvAlgorithm algorithm;
  std::string_view name;
  bool (*fits)(const ConvShape&);
  std::unique_ptr<ConvForward> (*forward)(const ConvShape&);  ///< null: it has no such pass
  std::unique_ptr<ConvBackwardData> (*backward_data)(const ConvShape&);
  std::unique_ptr<ConvBackwardWeights> (*backward_weights)(const ConvShape&);
};
inline constexpr std::array kConvAlgorithms{
    ConvAlgorithmEntry{ConvAlgorithm::direct, "direct", [](const ConvShape&) { return true; },
                       direct_forward, direct_backward_data, direct_backward_weights},
    ConvAlgorithmEntry{ConvAlgorithm::winograd, "winograd", winograd_fits, winograd_forward,
                       winograd_backward_data, winograd_backward_weights},
    ConvAlgorithmEntry{ConvAlgorithm::winograd_bf16, "winograd_bf16", winograd_bf16_fits, nullptr,
                       winograd_bf16_backward_data, winograd_bf16_backward_weights},
    ConvAlgorithmEntry{ConvAlgorithm::patches, "patches", patches_fit, patches_forward,
                       patches_backward_data, patches_backward_weights},
    ConvAlgorithmEntry{ConvAlgorithm::dense, "dense", dense_fits, dense_forward,
                       dense_backward_data, dense_backward_weights},
};
inline const ConvAlgorithmEntry& entry_of(ConvAlgorithm algorithm) {
  return kConvAlgorithms[static_cast<std::size_t>(algorithm)];
}

/// The passes of one layer, by the algorithms of choose() (convolution_choice.h), each made when it
/// is first asked for.
class Convolution {
 public:
  explicit Convolution(const ConvShape& shape);
  void forward(const void* x, const float* weight, const ConvEpilogueData& more, void* y);
  /// dx from dy; uses `weight`.
  void backward_data(const void* dy, const float* weight, void* dx);
  void backward_weights(const void* x, const void* dy, float* dw);
  void backward_bias(const void* dy, float* db);

 private:
  ConvShape shape_;
  ConvChoice choice_;
  std::unique_ptr<ConvForward> forward_;
  std::unique_ptr<ConvBackwardData> backward_data_;
  std::unique_ptr<ConvBackwardWeights> backward_weights_;
};

}  // namespace bitwright::kernels
