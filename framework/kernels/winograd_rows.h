#pragma once
// Images in tiles of Winograd's F(4x4, 3x3), and their transforms to frequencies and back, a row of
// tiles at a time: along columns first, as a row of the image lies in memory as one run of width x
// channels elements, whatever the number of channels.

#include <algorithm>
#include <cstdint>

#include "kernels/convolution_epilogue.h"
#include "kernels/winograd_transforms.h"

namespace bitwright::kernels::winograd {

inline constexpr int kFrequencies = kPatch * kPatch;

// Images of one size in tiles. Tile row r holds the `across` tiles of row r % down of image r /
// down.
struct Tiling {
  std::int64_t images, height, width, down, across;
  explicit Tiling(const ConvShape& s)
      : images(s.n),
        height(s.h),
        width(s.w),
        down((s.h + kTile - 1) / kTile),
        across((s.w + kTile - 1) / kTile) {}
  std::int64_t rows() const { return images * down; }
};

// Tile rows [first, first + count). Their frequencies lie as [36][capacity][channels], from tile
// row `place` of those on.
struct Block {
  std::int64_t first, count, capacity, place = 0;
};
// The `p`-th share of all tile rows, whose frequencies lie together.
inline Block share_of_rows(const Tiling& tiling, std::int64_t p, std::int64_t shares) {
  const std::int64_t rows = tiling.rows(), first = rows * p / shares;
  return {first, rows * (p + 1) / shares - first, rows * tiling.across, first};
}

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

// One transform of arrays that lie `in_stride` and `out_stride` apart. Sixteen lanes at a time, as
// long as there are: a constant that the compiler turns into whole vectors.
template <int IN, int OUT, class In, class Out, class Transform>
void transform_lanes(const In* in, std::int64_t in_stride, Out* out, std::int64_t out_stride,
                     std::int64_t lanes, const Transform& one) {
  const auto part = [&](std::int64_t at, std::int64_t count) {
    const In* from[IN];
    Out* to[OUT];
    for (int j = 0; j < IN; ++j) from[j] = in + j * in_stride + at;
    for (int k = 0; k < OUT; ++k) to[k] = out + k * out_stride + at;
    one(from, to, count);
  };
  std::int64_t at = 0;
  for (; at + 16 <= lanes; at += 16) part(at, 16);
  if (at < lanes) part(at, lanes - at);
}

// An epilogue ready for rows of pixels: its factors repeated along a row.
struct RowEpilogue {
  ConvEpilogue parts;
  const float *scale, *shift;
  const void* residual;
};

// What a member needs to transform the tile rows of images with elements of type T and at most
// `channels` channels.
template <class T>
class RowTransforms {
 public:
  /// Floats of scratch.
  static std::int64_t scratch(const Tiling& tiling, std::int64_t channels) {
    return (kPatch * (kTile * tiling.across + 2) + 2 * tiling.width) * channels;
  }

  /// Frequencies of inputs lie in runs of `run` channels, by default of all.
  RowTransforms(const Tiling& tiling, std::int64_t channels, float* scratch, std::int64_t run = 0)
      : tiling_(tiling),
        channels_(channels),
        run_(run > 0 ? run : channels),
        strip_((kTile * tiling.across + 2) * channels),
        rows_(scratch),
        outside_(reinterpret_cast<T*>(rows_ + kPatch * strip_)),
        nowhere_(outside_ + tiling.width * channels) {
    std::fill_n(rows_, kPatch * strip_, 0.f);  // columns beside the image stay zero
    std::fill_n(outside_, tiling.width * channels, T(0.f));
  }

  /// Inputs of the block's tiles, to frequencies.
  template <class F>
  void inputs(const T* image, const Block& block, F* out) const {
    for (std::int64_t r = 0; r < block.count; ++r) {
      const T* from[kPatch];
      float* to[kPatch];
      for (int i = 0; i < kPatch; ++i) from[i] = row(image, block.first + r, i - 1, outside_);
      for (int k = 0; k < kPatch; ++k) to[k] = rows_ + k * strip_ + channels_;
      input_transform(from, to, tiling_.width * channels_);
      along_rows<kPatch>(r, block, out, InputTransform{});
    }
  }

  /// Gradients of the block's outputs, to frequencies.
  template <class F>
  void output_gradients(const T* image, const Block& block, F* out) const {
    for (std::int64_t r = 0; r < block.count; ++r) {
      const T* from[kTile];
      float* to[kPatch];
      for (int i = 0; i < kTile; ++i) from[i] = row(image, block.first + r, i, outside_);
      for (int k = 0; k < kPatch; ++k) to[k] = rows_ + k * strip_;
      output_gradient_transform(from, to, tiling_.width * channels_);
      along_rows<kTile>(r, block, out, OutputGradientTransform{});
    }
  }

  /// Frequencies of the block, to outputs; `epilogue` may be null.
  void outputs(const float* in, const Block& block, const RowEpilogue* epilogue, T* image) const {
    const std::int64_t tiles = block.capacity * channels_;
    for (std::int64_t r = 0; r < block.count; ++r) {
      for (int k = 0; k < kPatch; ++k)
        for (std::int64_t t = 0; t < tiling_.across; ++t)
          transform_lanes<kPatch, kTile>(
              in + k * kPatch * tiles + ((block.place + r) * tiling_.across + t) * channels_, tiles,
              rows_ + k * strip_ + t * kTile * channels_, channels_, channels_, OutputTransform{});
      const float* from[kPatch];
      T* to[kTile];
      for (int k = 0; k < kPatch; ++k) from[k] = rows_ + k * strip_;
      for (int i = 0; i < kTile; ++i) to[i] = row(image, block.first + r, i, nowhere_);
      if (epilogue == nullptr)
        output_transform(from, to, tiling_.width * channels_);
      else
        finished_outputs(from, to, *epilogue, image);
    }
  }

 private:
  void finished_outputs(const float* const* from, T* const* to, const RowEpilogue& epilogue,
                        const T* image) const {
    const T* residual[kTile];
    for (int i = 0; i < kTile; ++i)
      residual[i] = epilogue.residual == nullptr || to[i] == nowhere_
                        ? outside_
                        : static_cast<const T*>(epilogue.residual) + (to[i] - image);
    const T *r0 = residual[0], *r1 = residual[1], *r2 = residual[2], *r3 = residual[3];
    const float *scale = epilogue.scale, *shift = epilogue.shift;
    const auto transform = [&](auto added, auto relu) {
      output_transform(from, to, tiling_.width * channels_, [=](int k, std::int64_t i, float v) {
        v = v * scale[i] + shift[i];
        if constexpr (added) v += float((k == 0 ? r0 : k == 1 ? r1 : k == 2 ? r2 : r3)[i]);
        if constexpr (relu) v = v <= 0 ? 0.f : v;  // NaN stays NaN
        return v;
      });
    };
    with_bools(epilogue.parts.residual, epilogue.parts.relu, transform);
  }

  // Row `i` of a tile row's pixels; `other` above and below the image.
  template <class Element>
  Element* row(Element* image, std::int64_t tile_row, std::int64_t i, T* other) const {
    const std::int64_t y = tile_row % tiling_.down * kTile + i;
    if (y < 0 || y >= tiling_.height) return other;
    return image + (tile_row / tiling_.down * tiling_.height + y) * tiling_.width * channels_;
  }

  template <int IN, class F, class Transform>
  void along_rows(std::int64_t r, const Block& block, F* out, const Transform& one) const {
    for (std::int64_t c = 0; c < channels_; c += run_) {
      const std::int64_t lanes = std::min(run_, channels_ - c), tiles = block.capacity * lanes;
      F* const to =
          out + kFrequencies * block.capacity * c + (block.place + r) * tiling_.across * lanes;
      for (int k = 0; k < kPatch; ++k)
        for (std::int64_t t = 0; t < tiling_.across; ++t)
          transform_lanes<IN, kPatch>(rows_ + k * strip_ + t * kTile * channels_ + c, channels_,
                                      to + k * kPatch * tiles + t * lanes, tiles, lanes, one);
    }
  }

  Tiling tiling_;
  std::int64_t channels_, run_, strip_;
  float* rows_;
  T *outside_, *nowhere_;
};

}  // namespace bitwright::kernels::winograd
