#include <algorithm>
#include <array>

#include "data/augmentations/augmentations.h"
#include "data/color.h"

namespace bitwright {
namespace {

class ColorJitter : public Augmentation {
 public:
  struct Strengths {
    double brightness = 0, contrast = 0, saturation = 0, hue = 0;
  };
  explicit ColorJitter(const Strengths& s) : strengths_(s) {}

  void pixels(PixelImage& image, Draw& draw) const override {
    const double brightness = factor(strengths_.brightness, draw);
    const double contrast = factor(strengths_.contrast, draw);
    const double saturation = factor(strengths_.saturation, draw);
    const double turns = draw.uniform(-strengths_.hue, strengths_.hue);
    std::array<int, 4> order{0, 1, 2, 3};
    for (std::int64_t i = 4; i > 1; --i)
      std::swap(order[static_cast<std::size_t>(i - 1)],
                order[static_cast<std::size_t>(draw.below(i))]);
    for (const int step : order) {
      if (step == 0 && strengths_.brightness > 0) change_brightness(image, brightness);
      if (step == 1 && strengths_.contrast > 0) change_contrast(image, contrast);
      if (step == 2 && strengths_.saturation > 0) change_saturation(image, saturation);
      if (step == 3 && strengths_.hue > 0) turn_hue(image, turns);
    }
  }

 private:
  static double factor(double strength, Draw& draw) {
    return draw.uniform(std::max(0.0, 1 - strength), 1 + strength);
  }
  Strengths strengths_;
};

}  // namespace

Options color_jitter_options() {
  Options options;
  options.real("brightness", 0, "b: times a factor from max(0, 1 - b) to 1 + b").min(0);
  options.real("contrast", 0, "the same for the distance from the mean grey level").min(0);
  options.real("saturation", 0, "the same for the distance from grey").min(0);
  options.real("hue", 0, "greatest turn of the hue, either way").unit("turns").min(0).max(0.5);
  return options;
}

std::unique_ptr<Augmentation> make_color_jitter(const Settings& settings, const InputSpec& input) {
  const ColorJitter::Strengths s{settings.real("brightness"), settings.real("contrast"),
                                 settings.real("saturation"), settings.real("hue")};
  if (input.channels != 3)
    for (const char* name : {"saturation", "hue"})
      if (settings.real(name) > 0)
        throw config_error(settings.where(name), "grey images have no colour to change",
                           "images of 3 channels", "remove it");
  return std::make_unique<ColorJitter>(s);
}

}  // namespace bitwright
