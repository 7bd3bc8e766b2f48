#pragma once
// What the passes of convolutions by Winograd share: blocks of tile rows, members of the team with
// scratch of their own, types of frequencies.

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include <bitwright/core/parallel.h>

#include "kernels/winograd_rows.h"
#include "kernels/workspace.h"

namespace bitwright::kernels::winograd {

// Tile rows that one member handles at a time: about a megabyte of frequencies, and work for all.
// Large weights, which every block reads as a whole, ask for larger blocks.
inline std::int64_t rows_of_block(const Tiling& tiling, std::int64_t channels,
                                  std::int64_t out_channels) {
  constexpr std::int64_t kFloats = 300'000;
  const std::int64_t tiles = kFloats / (kFrequencies * (channels + out_channels));
  const std::int64_t fewest = kFrequencies * channels * out_channels > 5'000'000 ? 128 : 32;
  const std::int64_t rows = std::clamp<std::int64_t>(tiles, fewest, 512) / tiling.across;
  const std::int64_t share = (tiling.rows() + threads() - 1) / threads();
  return std::clamp<std::int64_t>(rows, 1, share);
}

// Calls f(F*) for frequencies of type F of images of type T.
template <class T, class Function>
void for_frequency_type(DType type, const Function& f) {
  if constexpr (std::is_same_v<T, float>)
    f(static_cast<float*>(nullptr));  // those of f32 images are always f32
  else
    for_float_type(type, f);
}

// Scratch that several parts of one call share. Places are in floats, whatever lies there.
class Scratch {
 public:
  std::int64_t add(std::int64_t elements, DType type = DType::f32) {
    constexpr std::int64_t kLine = 64;
    const std::int64_t at = size_, bytes = elements * std::int64_t(size_of(type));
    size_ += (bytes + kLine - 1) / kLine * kLine / std::int64_t(sizeof(float));
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

// A member's transforms of the images that it reads and of those that it writes, or of whose
// gradients it reads.
template <class T>
struct TransformPair {
  RowTransforms<T> in, out;

  /// Floats of scratch.
  static std::int64_t scratch(const Tiling& tiling, std::int64_t in, std::int64_t out) {
    return RowTransforms<T>::scratch(tiling, in) + RowTransforms<T>::scratch(tiling, out);
  }

  /// Frequencies of inputs lie in runs of `run` channels, by default of all.
  TransformPair(const Tiling& tiling, std::int64_t in_channels, std::int64_t out_channels,
                float* scratch, std::int64_t run = 0)
      : in(tiling, in_channels, scratch, run),
        out(tiling, out_channels, scratch + RowTransforms<T>::scratch(tiling, in_channels)) {}
};

}  // namespace bitwright::kernels::winograd
