#pragma once
// From 8-bit pixels to network inputs: (pixel / 255 - mean) / sd, per channel, through a table.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <bitwright/core/error.h>
#include <bitwright/data/dataset.h>

namespace bitwright {

/// Normalised values, [channels][256]: what each pixel value of each channel becomes.
using PixelTable = std::vector<float>;

/// Throws std::logic_error unless mean and sd have one entry per channel and every sd is positive.
PixelTable pixel_table(const Normalization& normalization);

/// Constants in common use, by name: mnist, cifar10, cifar10_per_image, cifar100, imagenet.
/// CIFAR-10 is met with two different sd: that of all pixels, and the mean of the images' own,
/// which is smaller. Throws std::logic_error for another name.
Normalization standard_normalization(const std::string& name);

/// pixel / 255: mean 0, sd 1.
Normalization unit_normalization(std::int64_t channels);

/// Mean and (population) sd of pixel / 255 per channel over the images named by `indices`.
/// Throws a data error when there are none or a channel is constant.
Normalization measure_normalization(const ImageSet& images,
                                    const std::vector<std::uint32_t>& indices);

/// The normalisation called `name`: a preset of the data set, "none" (pixel / 255), or "train"
/// (measured on the `indices` of `images`). Throws a configuration error at `where` for any other.
Normalization find_normalization(const std::string& name,
                                 const std::map<std::string, Normalization>& presets,
                                 const ImageSet& images, const std::vector<std::uint32_t>& indices,
                                 const Place& where = {});

}  // namespace bitwright
