#include "data/augmentations/augmentations.h"

namespace bitwright {
namespace {

class HorizontalFlip : public Augmentation {
 public:
  explicit HorizontalFlip(double probability) : probability_(probability) {}

  void pixels(PixelImage& image, Draw& draw) const override {
    if (draw.uniform() >= probability_) return;
    for (std::int64_t y = 0; y < image.height; ++y) mirror(image, image.pixels + y * image.row());
  }

 private:
  static void mirror(const PixelImage& image, std::uint8_t* row) {
    std::uint8_t *left = row, *right = row + (image.width - 1) * image.channels;
    for (; left < right; left += image.channels, right -= image.channels)
      for (std::int64_t c = 0; c < image.channels; ++c) std::swap(left[c], right[c]);
  }

  double probability_;
};

}  // namespace

Options horizontal_flip_options() {
  Options options;
  options.real("probability", 0.5, "of a flip").min(0).max(1);
  return options;
}

std::unique_ptr<Augmentation> make_horizontal_flip(const Settings& settings, const InputSpec&) {
  return std::make_unique<HorizontalFlip>(settings.real("probability"));
}

}  // namespace bitwright
