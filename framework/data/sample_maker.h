#pragma once
// From an image of the data set to its place in a batch: augmented, normalised, converted.

#include <cstdint>
#include <vector>

#include <bitwright/data/normalization.h>

#include "data/batch_buffer.h"

namespace bitwright {

/// Makes samples of the images that `indices` names; thread-safe, every thread with a buffer of its
/// own.
class SampleMaker {
 public:
  /// `images` must outlive it. At most one augmentation may mix.
  SampleMaker(const ImageSet& images, std::vector<std::uint32_t> indices,
              const Normalization& normalization, Augmentations augmentations, std::uint64_t seed);

  std::int64_t count() const { return static_cast<std::int64_t>(indices_.size()); }
  bool mixes() const { return mixer_ >= 0; }

  /// The image that the i-th index names becomes image `slot` of the batch: as it is in `epoch`.
  void make(std::int64_t i, std::int64_t epoch, std::int64_t slot, BatchBuffer& buffer) const;
  /// The same without augmentations.
  void copy(std::int64_t i, std::int64_t slot, BatchBuffer& buffer) const;

 private:
  Rng chance(std::uint32_t index, std::int64_t epoch) const;
  const std::uint8_t* augmented_pixels(std::uint32_t index, const Rng& chance,
                                       BatchBuffer& buffer) const;
  void augmented_values(std::uint32_t index, const Rng& chance, BatchBuffer& buffer,
                        ValueImage values) const;
  void mix(std::int64_t epoch, std::int64_t slot, std::uint32_t index, const Rng& chance,
           BatchBuffer& buffer) const;
  template <class T>
  void write(const T* from, std::int64_t slot, BatchBuffer& buffer) const;
  template <class T>
  void normalize(const std::uint8_t* pixels, T* values) const;

  const ImageSet& images_;
  std::vector<std::uint32_t> indices_;
  PixelTable table_;
  std::vector<bfloat16> short_table_;
  Augmentations augmentations_;
  std::uint64_t seed_;
  bool changes_values_ = false;
  int mixer_ = -1;  // position of the augmentation that mixes
};

}  // namespace bitwright
