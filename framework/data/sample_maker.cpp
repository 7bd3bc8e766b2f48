#include "data/sample_maker.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include <bitwright/core/error.h>

namespace bitwright {

SampleMaker::SampleMaker(const ImageSet& images, std::vector<std::uint32_t> indices,
                         const Normalization& normalization, Augmentations augmentations,
                         std::uint64_t seed)
    : images_(images),
      indices_(std::move(indices)),
      table_(pixel_table(normalization)),
      augmentations_(std::move(augmentations)),
      seed_(seed) {
  require(table_.size() == static_cast<std::size_t>(images.channels) * 256,
          "loader: one mean and sd per channel");
  for (const std::uint32_t index : indices_)
    require(index < images.count(), "loader: indices lie within the image set");
  for (const float value : table_) short_table_.emplace_back(value);
  for (std::size_t k = 0; k < augmentations_.size(); ++k) {
    changes_values_ |= augmentations_[k]->changes_values();
    if (!augmentations_[k]->mixes()) continue;
    require(mixer_ < 0, "loader: one augmentation mixes at most");
    mixer_ = static_cast<int>(k);
  }
}

// What the k-th augmentation draws for an image; each has 2^32 numbers.
static Draw draw_of(const Rng& chance, std::size_t k) {
  return {chance, static_cast<std::uint64_t>(k) << 32};
}

Rng SampleMaker::chance(std::uint32_t index, std::int64_t epoch) const {
  return Rng(seed_, "augment", static_cast<std::uint64_t>(epoch), index);
}

template <class T>
void SampleMaker::normalize(const std::uint8_t* pixels, T* values) const {
  const T* table;
  if constexpr (std::is_same_v<T, float>)
    table = table_.data();
  else
    table = short_table_.data();
  const std::int64_t channels = images_.channels, size = images_.image_size();
  for (std::int64_t c = 0; c < channels; ++c, table += 256)
    for (std::int64_t p = c; p < size; p += channels) values[p] = table[pixels[p]];
}

const std::uint8_t* SampleMaker::augmented_pixels(std::uint32_t index, const Rng& chance,
                                                  BatchBuffer& buffer) const {
  PixelImage image = buffer.pixel_image();
  std::memcpy(image.pixels, images_.image(index), static_cast<std::size_t>(images_.image_size()));
  for (std::size_t k = 0; k < augmentations_.size(); ++k) {
    Draw draw = draw_of(chance, k);
    augmentations_[k]->pixels(image, draw);
  }
  return image.pixels;
}

void SampleMaker::augmented_values(std::uint32_t index, const Rng& chance, BatchBuffer& buffer,
                                   ValueImage values) const {
  normalize(augmented_pixels(index, chance, buffer), values.values);
  for (std::size_t k = 0; k < augmentations_.size(); ++k) {
    if (!augmentations_[k]->changes_values()) continue;
    Draw draw = draw_of(chance, k);
    augmentations_[k]->values(values, draw);
  }
}

template <class T>
void SampleMaker::write(const T* from, std::int64_t slot, BatchBuffer& buffer) const {
  const std::int64_t size = images_.image_size();
  for_float_type(buffer.shape.type, [&]<class To>(To*) {
    To* const to = buffer.batch.images.as<To>() + slot * size;
    if constexpr (std::is_same_v<T, std::uint8_t>)
      normalize(from, to);
    else
      std::transform(from, from + size, to, [](T value) { return To(value); });
  });
}

void SampleMaker::copy(std::int64_t i, std::int64_t slot, BatchBuffer& buffer) const {
  const std::uint32_t index = indices_[static_cast<std::size_t>(i)];
  write(images_.image(index), slot, buffer);
  buffer.batch.labels.i32()[slot] = images_.labels[index];
}

void SampleMaker::make(std::int64_t i, std::int64_t epoch, std::int64_t slot,
                       BatchBuffer& buffer) const {
  if (augmentations_.empty()) return copy(i, slot, buffer);
  const std::uint32_t index = indices_[static_cast<std::size_t>(i)];
  const Rng own = chance(index, epoch);
  buffer.batch.labels.i32()[slot] = images_.labels[index];
  if (mixes()) return mix(epoch, slot, index, own, buffer);
  if (!changes_values_) return write(augmented_pixels(index, own, buffer), slot, buffer);
  const ValueImage values = buffer.value_image(0);
  augmented_values(index, own, buffer, values);
  write(values.values, slot, buffer);
}

// The partner is one of the same images, as it is in this epoch.
void SampleMaker::mix(std::int64_t epoch, std::int64_t slot, std::uint32_t index, const Rng& own,
                      BatchBuffer& buffer) const {
  Draw draw = draw_of(own, static_cast<std::size_t>(mixer_));
  const auto share =
      static_cast<float>(augmentations_[static_cast<std::size_t>(mixer_)]->own_share(draw));
  const std::uint32_t other = indices_[static_cast<std::size_t>(draw.below(count()))];
  const ValueImage values = buffer.value_image(0), partner = buffer.value_image(1);
  augmented_values(index, own, buffer, values);
  augmented_values(other, chance(other, epoch), buffer, partner);
  for (std::int64_t i = 0; i < images_.image_size(); ++i)
    values.values[i] = share * values.values[i] + (1 - share) * partner.values[i];
  write(values.values, slot, buffer);

  const std::int64_t classes = buffer.shape.soft_classes;
  float* const targets = buffer.batch.targets.f32() + slot * classes;
  std::fill_n(targets, classes, 0.0f);
  targets[images_.labels[index]] += share;
  targets[images_.labels[other]] += 1 - share;
  if (share < 0.5f) buffer.batch.labels.i32()[slot] = images_.labels[other];
}

}  // namespace bitwright
