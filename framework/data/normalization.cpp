#include <array>
#include <cmath>

#include <fmt/format.h>

#include <bitwright/data/normalization.h>

namespace bitwright {

PixelTable pixel_table(const Normalization& normalization) {
  const std::size_t channels = normalization.mean.size();
  require(normalization.standard_deviation.size() == channels,
          "normalization: as many standard deviations as means");
  PixelTable table(channels * 256);
  for (std::size_t c = 0; c < channels; ++c) {
    const double mean = normalization.mean[c], sd = normalization.standard_deviation[c];
    require(sd > 0, "normalization: standard deviations are positive");
    for (std::size_t pixel = 0; pixel < 256; ++pixel)
      table[c * 256 + pixel] = static_cast<float>((static_cast<double>(pixel) / 255.0 - mean) / sd);
  }
  return table;
}

Normalization standard_normalization(const std::string& name) {
  static const std::map<std::string, Normalization> all{
      {"mnist", {{0.1307}, {0.3081}}},
      {"cifar10", {{0.4914, 0.4822, 0.4465}, {0.2470, 0.2435, 0.2616}}},
      {"cifar10_per_image", {{0.4914, 0.4822, 0.4465}, {0.2023, 0.1994, 0.2010}}},
      {"cifar100", {{0.5071, 0.4865, 0.4409}, {0.2673, 0.2564, 0.2762}}},
      {"imagenet", {{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}}}};
  const auto at = all.find(name);
  require(at != all.end(), "no standard normalization is called " + name);
  return at->second;
}

Normalization unit_normalization(std::int64_t channels) {
  const auto n = static_cast<std::size_t>(channels);
  return {std::vector<double>(n, 0.0), std::vector<double>(n, 1.0)};
}

// How often each pixel value occurs: whole numbers, so the moments do not depend on any order.
static std::vector<std::array<std::int64_t, 256>> histograms(
    const ImageSet& images, const std::vector<std::uint32_t>& indices) {
  const auto channels = static_cast<std::size_t>(images.channels);
  std::vector<std::array<std::int64_t, 256>> counts(channels);
  for (auto& of_channel : counts) of_channel.fill(0);
  for (const std::uint32_t index : indices) {
    const std::uint8_t* image = images.image(index);
    for (std::int64_t i = 0; i < images.image_size(); i += images.channels)
      for (std::size_t c = 0; c < channels; ++c)
        ++counts[c][image[i + static_cast<std::int64_t>(c)]];
  }
  return counts;
}

Normalization measure_normalization(const ImageSet& images,
                                    const std::vector<std::uint32_t>& indices) {
  Normalization result;
  for (const auto& counts : histograms(images, indices)) {
    double n = 0, sum = 0, squares = 0;
    for (std::size_t pixel = 0; pixel < 256; ++pixel) {
      const double weight = static_cast<double>(counts[pixel]), value = static_cast<double>(pixel);
      n += weight, sum += weight * value, squares += weight * value * value;
    }
    const double mean = sum / n, variance = squares / n - mean * mean;
    if (!(variance > 0))
      throw data_error("normalization train",
                       n > 0 ? "every training pixel of a channel has the same value"
                             : "there are no training images to measure",
                       "training images with contrast", "choose normalization none");
    result.mean.push_back(mean / 255.0);
    result.standard_deviation.push_back(std::sqrt(variance) / 255.0);
  }
  return result;
}

Normalization find_normalization(const std::string& name,
                                 const std::map<std::string, Normalization>& presets,
                                 const ImageSet& images, const std::vector<std::uint32_t>& indices,
                                 const Place& where) {
  if (const auto at = presets.find(name); at != presets.end()) return at->second;
  if (name == "none") return unit_normalization(images.channels);
  if (name == "train") return measure_normalization(images, indices);
  std::string known;
  for (const auto& [preset, unused] : presets) known += preset + ", ";
  throw config_error(where, fmt::format("unknown normalization '{}'", name),
                     "one of " + known + "none, train");
}

}  // namespace bitwright
