#include <cmath>

#include <fmt/format.h>

#include "data/augmentations/augmentations.h"
#include "data/resample.h"

namespace bitwright {
namespace {

struct Range {
  double low = 0, high = 0;
};

// The largest window in the middle whose width / height lies within `ratio`.
Window middle(std::int64_t height, std::int64_t width, const Range& ratio) {
  const double whole = static_cast<double>(width) / static_cast<double>(height);
  Window window{0, 0, height, width};
  if (whole < ratio.low)
    window.height = std::lrint(static_cast<double>(width) / ratio.low);
  else if (whole > ratio.high)
    window.width = std::lrint(static_cast<double>(height) * ratio.high);
  window.top = (height - window.height) / 2;
  window.left = (width - window.width) / 2;
  return window;
}

class RandomResizedCrop : public Augmentation {
 public:
  RandomResizedCrop(const Range& scale, const Range& ratio) : scale_(scale), ratio_(ratio) {}

  void pixels(PixelImage& image, Draw& draw) const override {
    thread_local Resampler resampler;
    resampler.scale(image.pixels, image.row(), image.channels, window(image, draw), image.spare,
                    image.height, image.width);
    image.use_spare();
  }

 private:
  Window window(const PixelImage& image, Draw& draw) const {
    const double area = static_cast<double>(image.height * image.width);
    for (int attempt = 0; attempt < 10; ++attempt) {
      const double wanted = area * draw.uniform(scale_.low, scale_.high);
      const double ratio = std::exp(draw.uniform(std::log(ratio_.low), std::log(ratio_.high)));
      const std::int64_t width = std::lrint(std::sqrt(wanted * ratio));
      const std::int64_t height = std::lrint(std::sqrt(wanted / ratio));
      if (width < 1 || width > image.width || height < 1 || height > image.height) continue;
      const std::int64_t top = draw.below(image.height - height + 1);
      const std::int64_t left = draw.below(image.width - width + 1);
      return {top, left, height, width};
    }
    return middle(image.height, image.width, ratio_);
  }

  Range scale_, ratio_;
};

Range range_of(const Settings& settings, const char* name) {
  const auto& values = settings.reals(name);
  if (values.size() != 2 || values[0] > values[1])
    throw config_error(settings.where(name), fmt::format("'{}' is no range", name),
                       "[low, high] with low <= high");
  return {values[0], values[1]};
}

}  // namespace

Options random_resized_crop_options() {
  Options options;
  options.reals("scale", {0.08, 1}, "least and greatest share of the image's area").above(0).max(1);
  options.reals("ratio", {3.0 / 4, 4.0 / 3}, "least and greatest width / height of the part")
      .above(0);
  return options;
}

std::unique_ptr<Augmentation> make_random_resized_crop(const Settings& settings, const InputSpec&) {
  return std::make_unique<RandomResizedCrop>(range_of(settings, "scale"),
                                             range_of(settings, "ratio"));
}

}  // namespace bitwright
