// Winograd's F(4x4, 3x3): an image is cut into tiles of 4x4 outputs; each tile's 6x6 inputs are
// transformed to 36 frequencies, at each of which the convolution is a matrix product over channels
// (Lavin and Gray 2016), in f32 for images of either type. A quarter of the multiplications of the
// direct algorithm; the relative error is about 1e-6 instead of 2e-7.
//
// Tiles are handled in blocks small enough to stay in a core's cache between the transforms and the
// products; the members of the team take blocks in turn, each with products of its own.
#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include <bitwright/core/parallel.h>

#include "kernels/convolution.h"
#include "kernels/dnnl_api.h"
#include "kernels/matmul.h"
#include "kernels/winograd_transforms.h"
#include "kernels/workspace.h"

namespace bitwright::kernels {
namespace {

using namespace winograd;

constexpr int kFrequencies = kPatch * kPatch;

// Images of one size in tiles. Tile t lies at row t / across % down and column t % across of image
// t / (across * down).
struct Tiling {
  std::int64_t images, height, width, down, across;
  explicit Tiling(const ConvShape& s)
      : images(s.n),
        height(s.h),
        width(s.w),
        down((s.h + kTile - 1) / kTile),
        across((s.w + kTile - 1) / kTile) {}
  std::int64_t tiles() const { return images * down * across; }
};

// Tiles that one member handles at a time: about a megabyte of frequencies, and work for all.
std::int64_t block_size(const Tiling& tiling, std::int64_t channels, std::int64_t out_channels) {
  constexpr std::int64_t kFloats = 300'000;
  const std::int64_t fitting = kFloats / (kFrequencies * (channels + out_channels));
  const std::int64_t share = (tiling.tiles() + threads() - 1) / threads();
  return std::min(std::clamp<std::int64_t>(fitting, 32, 512), std::max<std::int64_t>(1, share));
}

// Frequencies of a block lie as [36][tiles of the block][channels].
struct Block {
  std::int64_t first, count, capacity;
};

// The 6x6 (or, for gradients, 4x4) pixels of tile `t` from `corner` on; `outside` where the image
// ends.
template <int N, class T>
struct Window {
  std::array<T*, N * N> pixels;
  Window(const Tiling& tiling, T* image, std::int64_t channels, std::int64_t t, std::int64_t corner,
         T* outside) {
    const std::int64_t per_image = tiling.down * tiling.across;
    const std::int64_t n = t / per_image, row = t % per_image / tiling.across * kTile + corner,
                       column = t % tiling.across * kTile + corner;
    for (std::int64_t i = 0; i < N; ++i)
      for (std::int64_t j = 0; j < N; ++j) {
        const std::int64_t y = row + i, x = column + j;
        const bool inside = y >= 0 && y < tiling.height && x >= 0 && x < tiling.width;
        pixels[static_cast<std::size_t>(i * N + j)] =
            inside ? image + ((n * tiling.height + y) * tiling.width + x) * channels : outside;
      }
  }
};

// The transforms as objects, so that each pass picks the element types it needs.
#define BITWRIGHT_TRANSFORM(NAME, function)                                           \
  struct NAME {                                                                       \
    template <class In, class Out>                                                    \
    void operator()(const In* const* in, Out* const* out, std::int64_t lanes) const { \
      function(in, out, lanes);                                                       \
    }                                                                                 \
  };
BITWRIGHT_TRANSFORM(InputTransform, input_transform)
BITWRIGHT_TRANSFORM(OutputTransform, output_transform)
BITWRIGHT_TRANSFORM(OutputGradientTransform, output_gradient_transform)
BITWRIGHT_TRANSFORM(WeightTransform, weight_transform)
BITWRIGHT_TRANSFORM(WeightGradientTransform, weight_gradient_transform)
#undef BITWRIGHT_TRANSFORM

// A two-dimensional transform of ROWS x COLUMNS arrays: `one` along columns, then along rows.
// in[i * IN + j] and out[i * OUT + j] point to rows of `lanes` channels.
template <int IN, int OUT, class From, class To, class Transform>
void transform_2d(From* const* in, To* const* out, float* temporary, std::int64_t lanes,
                  const Transform& one) {
  for (int j = 0; j < IN; ++j) {
    const From* from[IN];
    float* to[OUT];
    for (int i = 0; i < IN; ++i) from[i] = in[i * IN + j];
    for (int k = 0; k < OUT; ++k) to[k] = temporary + (k * IN + j) * lanes;
    one(from, to, lanes);
  }
  for (int k = 0; k < OUT; ++k) {
    const float* from[IN];
    for (int j = 0; j < IN; ++j) from[j] = temporary + (k * IN + j) * lanes;
    one(from, out + k * OUT, lanes);
  }
}

// Frequencies of a block of input tiles.
template <class T>
void transform_inputs(const Tiling& tiling, const Block& block, const T* image,
                      std::int64_t channels, const T* outside, float* temporary, float* out) {
  for (std::int64_t t = 0; t < block.count; ++t) {
    const Window<kPatch, const T> window(tiling, image, channels, block.first + t, -1, outside);
    float* to[kFrequencies];
    for (int f = 0; f < kFrequencies; ++f) to[f] = out + (f * block.capacity + t) * channels;
    transform_2d<kPatch, kPatch>(window.pixels.data(), to, temporary, channels, InputTransform{});
  }
}

template <class T>
void transform_output_gradients(const Tiling& tiling, const Block& block, const T* image,
                                std::int64_t channels, const T* outside, float* temporary,
                                float* out) {
  for (std::int64_t t = 0; t < block.count; ++t) {
    const Window<kTile, const T> window(tiling, image, channels, block.first + t, 0, outside);
    float* to[kFrequencies];
    for (int f = 0; f < kFrequencies; ++f) to[f] = out + (f * block.capacity + t) * channels;
    transform_2d<kTile, kPatch>(window.pixels.data(), to, temporary, channels,
                                OutputGradientTransform{});
  }
}

template <class T>
void transform_outputs(const Tiling& tiling, const Block& block, const float* in,
                       std::int64_t channels, T* nowhere, float* temporary, T* image) {
  for (std::int64_t t = 0; t < block.count; ++t) {
    const float* from[kFrequencies];
    for (int f = 0; f < kFrequencies; ++f) from[f] = in + (f * block.capacity + t) * channels;
    const Window<kTile, T> window(tiling, image, channels, block.first + t, 0, nowhere);
    transform_2d<kPatch, kTile>(from, window.pixels.data(), temporary, channels, OutputTransform{});
  }
}

// Weights [O, I, 3, 3] as nine matrices [from, to] and back; `flipped` for the gradient of data,
// where outputs are read and inputs written.
api::Desc nine_matrices(const ConvShape& s, bool flipped) {
  const auto f32 = dnnl::memory::data_type::f32;
  const std::int64_t area = s.out_channels * s.c;
  const api::Dims strides =
      flipped ? api::Dims{s.c, 1, 3 * area, area} : api::Dims{1, s.out_channels, 3 * area, area};
  return {{s.out_channels, s.c, kKernel, kKernel}, f32, strides};
}
api::Desc plain_weights(const ConvShape& s) {
  return {{s.out_channels, s.c, kKernel, kKernel},
          dnnl::memory::data_type::f32,
          dnnl::memory::format_tag::oihw};
}

constexpr std::int64_t kLanes = 256;  // weights are transformed in strips that stay in cache

// 9 matrices of `each` elements to 36 frequencies. `flipped` turns the kernel by half a circle.
void transform_weights(const float* nine, std::int64_t each, bool flipped, float* frequencies) {
  parallel_for((each + kLanes - 1) / kLanes, 4, [=](std::int64_t begin, std::int64_t end) {
    std::array<float, kPatch * kKernel * kLanes> temporary;
    for (std::int64_t strip = begin; strip < end; ++strip) {
      const std::int64_t at = strip * kLanes, lanes = std::min(kLanes, each - at);
      const float* from[kKernel * kKernel];
      float* to[kFrequencies];
      for (int k = 0; k < 9; ++k) from[k] = nine + (flipped ? 8 - k : k) * each + at;
      for (int f = 0; f < kFrequencies; ++f) to[f] = frequencies + f * each + at;
      transform_2d<kKernel, kPatch>(from, to, temporary.data(), lanes, WeightTransform{});
    }
  });
}

void transform_weight_gradients(const float* frequencies, std::int64_t each, float* nine) {
  parallel_for((each + kLanes - 1) / kLanes, 4, [=](std::int64_t begin, std::int64_t end) {
    std::array<float, kPatch * kKernel * kLanes> temporary;
    for (std::int64_t strip = begin; strip < end; ++strip) {
      const std::int64_t at = strip * kLanes, lanes = std::min(kLanes, each - at);
      const float* from[kFrequencies];
      float* to[kKernel * kKernel];
      for (int f = 0; f < kFrequencies; ++f) from[f] = frequencies + f * each + at;
      for (int k = 0; k < 9; ++k) to[k] = nine + k * each + at;
      transform_2d<kPatch, kKernel>(from, to, temporary.data(), lanes, WeightGradientTransform{});
    }
  });
}

// Scratch that several parts of one call share, in multiples of 16 floats.
class Scratch {
 public:
  std::int64_t add(std::int64_t floats) {
    const std::int64_t at = size_;
    size_ += (floats + 15) / 16 * 16;
    return at;
  }
  float* take() const {
    return reinterpret_cast<float*>(workspace(static_cast<std::size_t>(size_) * sizeof(float)));
  }

 private:
  std::int64_t size_ = 0;
};

// part(p) for every member p of the team.
template <class Part>
void for_each_member(std::int64_t members, const Part& part) {
  parallel_for(members, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) part(p);
  });
}

// Images [from channels] -> images [to channels] of the same size: the forward pass, and with
// flipped weights the gradient of data.
class WinogradImages {
 public:
  WinogradImages(const ConvShape& s, bool flipped)
      : tiling_(s),
        flipped_(flipped),
        from_(flipped ? s.out_channels : s.c),
        to_(flipped ? s.c : s.out_channels),
        members_(threads()),
        capacity_(block_size(tiling_, from_, to_)),
        blocks_((tiling_.tiles() + capacity_ - 1) / capacity_),
        reorder_(plain_weights(s), nine_matrices(s, flipped)) {
    for (std::int64_t p = 0; p < members_; ++p)
      products_.emplace_back(Matmul::Plan{
          .m = capacity_, .n = to_, .k = from_, .batch = kFrequencies, .single_thread = true});
    nine_ = scratch_.add(9 * from_ * to_);
    weights_ = scratch_.add(kFrequencies * from_ * to_);
    outside_ = scratch_.add(from_);
    for (std::int64_t p = 0; p < members_; ++p) {
      member_.push_back(scratch_.add(kFrequencies * capacity_ * (from_ + to_)));
      scratch_.add(kFrequencies * std::max(from_, to_) + to_);
    }
    scratch_.take();
  }

  template <class T>
  void run(const T* x, const float* weight, T* y) {
    float* const base = scratch_.take();
    reorder_.run(weight, base + nine_);
    transform_weights(base + nine_, from_ * to_, flipped_, base + weights_);
    T* const outside = reinterpret_cast<T*>(base + outside_);
    std::fill_n(outside, from_, T(0.f));
    for_each_member(members_, [=, this](std::int64_t p) {
      float* const in = base + member_[static_cast<std::size_t>(p)];
      float* const out = in + kFrequencies * capacity_ * from_;
      float* const temporary = out + kFrequencies * capacity_ * to_;
      T* const nowhere = reinterpret_cast<T*>(temporary + kFrequencies * std::max(from_, to_));
      for (std::int64_t b = blocks_ * p / members_; b < blocks_ * (p + 1) / members_; ++b) {
        const Block block{b * capacity_, std::min(capacity_, tiling_.tiles() - b * capacity_),
                          capacity_};
        transform_inputs(tiling_, block, x, from_, outside, temporary, in);
        products_[static_cast<std::size_t>(p)].run(in, base + weights_, nullptr, out);
        transform_outputs(tiling_, block, out, to_, nowhere, temporary, y);
      }
    });
  }

 private:
  Tiling tiling_;
  bool flipped_;
  std::int64_t from_, to_, members_, capacity_, blocks_;
  api::Reorder reorder_;
  std::vector<Matmul> products_;
  Scratch scratch_;
  std::int64_t nine_ = 0, weights_ = 0, outside_ = 0;
  std::vector<std::int64_t> member_;
};

class WinogradForward final : public ConvForward {
 public:
  explicit WinogradForward(const ConvShape& s) : shape_(s), images_(s, false) {}
  void run(const void* x, const float* weight, const float* bias, void* y) override {
    for_float_type(shape_.type, [&]<class T>(T*) {
      images_.run(static_cast<const T*>(x), weight, static_cast<T*>(y));
      if (bias != nullptr) add_bias(bias, static_cast<T*>(y));
    });
  }

 private:
  template <class T>
  void add_bias(const float* bias, T* y) const {
    const std::int64_t channels = shape_.out_channels;
    parallel_for(shape_.n * shape_.h * shape_.w, 64, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        for (std::int64_t c = 0; c < channels; ++c)
          y[i * channels + c] = T(float(y[i * channels + c]) + bias[c]);
    });
  }

  ConvShape shape_;
  WinogradImages images_;
};

class WinogradBackwardData final : public ConvBackwardData {
 public:
  explicit WinogradBackwardData(const ConvShape& s) : type_(s.type), images_(s, true) {}
  void run(const void* dy, const float* weight, void* dx) override {
    for_float_type(type_, [&]<class T>(T*) {
      images_.run(static_cast<const T*>(dy), weight, static_cast<T*>(dx));
    });
  }

 private:
  DType type_;
  WinogradImages images_;
};

// At each frequency, dU = sum over tiles of V^T dM. With few channels every member sums the tiles
// of its blocks and the sums are added at the end; with many the sums would outgrow the caches, so
// all tiles are transformed first and the members share out the frequencies.
class WinogradBackwardWeights final : public ConvBackwardWeights {
 public:
  explicit WinogradBackwardWeights(const ConvShape& s)
      : type_(s.type),
        tiling_(s),
        in_(s.c),
        out_(s.out_channels),
        members_(threads()),
        by_frequency_(s.c * s.out_channels > 128 * 128),
        capacity_(by_frequency_ ? tiling_.tiles() : block_size(tiling_, in_, out_)),
        blocks_((tiling_.tiles() + capacity_ - 1) / capacity_),
        reorder_(nine_matrices(s, false), plain_weights(s)) {
    for (std::int64_t p = 0; p < members_; ++p)
      products_.emplace_back(Matmul::Plan{.m = in_,
                                          .n = out_,
                                          .k = capacity_,
                                          .batch = by_frequency_ ? 1 : kFrequencies,
                                          .transpose_a = true,
                                          .accumulate = !by_frequency_,
                                          .single_thread = true});
    const std::int64_t tiles = kFrequencies * capacity_, sums = kFrequencies * in_ * out_;
    outside_ = scratch_.add(std::max(in_, out_));
    nine_ = scratch_.add(9 * in_ * out_);
    for (std::int64_t p = 0; p < members_; ++p) {
      temporaries_.push_back(scratch_.add(kFrequencies * std::max(in_, out_)));
      if (p > 0 && by_frequency_) continue;
      sums_.push_back(scratch_.add(sums));
      frequencies_.push_back(scratch_.add(tiles * (in_ + out_)));
    }
    scratch_.take();
  }

  void run(const void* x, const void* dy, float* dw) override {
    float* const base = scratch_.take();
    for_float_type(type_, [&]<class T>(T*) {
      const T *images = static_cast<const T*>(x), *gradients = static_cast<const T*>(dy);
      std::fill_n(reinterpret_cast<T*>(base + outside_), std::max(in_, out_), T(0.f));
      by_frequency_ ? sum_by_frequency(images, gradients, base)
                    : sum_by_tile(images, gradients, base);
    });
    transform_weight_gradients(base + sums_[0], in_ * out_, base + nine_);
    reorder_.run(base + nine_, dw);
  }

 private:
  template <class T>
  void sum_by_tile(const T* x, const T* dy, float* base) {
    const T* const outside = reinterpret_cast<const T*>(base + outside_);
    const std::int64_t size = kFrequencies * in_ * out_;
    for_each_member(members_, [=, this](std::int64_t p) {
      const auto at = static_cast<std::size_t>(p);
      float *const sums = base + sums_[at], *const v = base + frequencies_[at],
                   *const m = v + kFrequencies * capacity_ * in_;
      std::fill_n(sums, size, 0.f);
      for (std::int64_t b = blocks_ * p / members_; b < blocks_ * (p + 1) / members_; ++b) {
        const Block block{b * capacity_, std::min(capacity_, tiling_.tiles() - b * capacity_),
                          capacity_};
        if (block.count < capacity_)  // the tiles that are missing count nothing
          std::fill_n(v, kFrequencies * capacity_ * (in_ + out_), 0.f);
        transform_inputs(tiling_, block, x, in_, outside, base + temporaries_[at], v);
        transform_output_gradients(tiling_, block, dy, out_, outside, base + temporaries_[at], m);
        products_[at].run(v, m, nullptr, sums);
      }
    });
    float* const total = base + sums_[0];
    for (std::size_t p = 1; p < sums_.size(); ++p) {
      const float* const more = base + sums_[p];
      parallel_for(size, 16384, [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) total[i] += more[i];
      });
    }
  }

  template <class T>
  void sum_by_frequency(const T* x, const T* dy, float* base) {
    const T* const outside = reinterpret_cast<const T*>(base + outside_);
    const std::int64_t tiles = tiling_.tiles();
    float *const v = base + frequencies_[0], *const m = v + kFrequencies * tiles * in_;
    for_each_member(members_, [=, this](std::int64_t p) {
      float* const temporary = base + temporaries_[static_cast<std::size_t>(p)];
      const std::int64_t first = tiles * p / members_, end = tiles * (p + 1) / members_;
      const Block block{first, end - first, capacity_};
      transform_inputs(tiling_, block, x, in_, outside, temporary, v + first * in_);
      transform_output_gradients(tiling_, block, dy, out_, outside, temporary, m + first * out_);
    });
    for_each_member(members_, [=, this](std::int64_t p) {
      for (std::int64_t f = kFrequencies * p / members_; f < kFrequencies * (p + 1) / members_; ++f)
        products_[static_cast<std::size_t>(p)].run(v + f * tiles * in_, m + f * tiles * out_,
                                                   nullptr, base + sums_[0] + f * in_ * out_);
    });
  }

  DType type_;
  Tiling tiling_;
  std::int64_t in_, out_, members_;
  bool by_frequency_;
  std::int64_t capacity_, blocks_;
  api::Reorder reorder_;
  std::vector<Matmul> products_;
  Scratch scratch_;
  std::int64_t outside_ = 0, nine_ = 0;
  std::vector<std::int64_t> temporaries_, sums_, frequencies_;
};

}  // namespace

bool winograd_fits(const ConvShape& s) {
  return s.kernel_h == kKernel && s.kernel_w == kKernel && s.stride == 1 && s.padding == 1 &&
         s.groups == 1;
}

std::unique_ptr<ConvForward> winograd_forward(const ConvShape& shape) {
  return std::make_unique<WinogradForward>(shape);
}
std::unique_ptr<ConvBackwardData> winograd_backward_data(const ConvShape& shape) {
  return std::make_unique<WinogradBackwardData>(shape);
}
std::unique_ptr<ConvBackwardWeights> winograd_backward_weights(const ConvShape& shape) {
  return std::make_unique<WinogradBackwardWeights>(shape);
}

}  // namespace bitwright::kernels
