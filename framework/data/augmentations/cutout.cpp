#include <algorithm>

#include <fmt/format.h>

#include "data/augmentations/augmentations.h"

namespace bitwright {
namespace {

class Cutout : public Augmentation {
 public:
  Cutout(std::int64_t size, std::int64_t holes) : size_(size), holes_(holes) {}

  bool changes_values() const override { return true; }
  void values(ValueImage& image, Draw& draw) const override {
    for (std::int64_t hole = 0; hole < holes_; ++hole) {
      // The centre may be any pixel, so a square may reach over the edge.
      const std::int64_t top = draw.below(image.height) - size_ / 2;
      const std::int64_t left = draw.below(image.width) - size_ / 2;
      const std::int64_t begin = std::max<std::int64_t>(0, left);
      const std::int64_t end = std::min(image.width, left + size_);
      for (std::int64_t y = std::max<std::int64_t>(0, top); y < std::min(image.height, top + size_);
           ++y)
        std::fill(image.values + (y * image.width + begin) * image.channels,
                  image.values + (y * image.width + end) * image.channels, 0.0f);
    }
  }

 private:
  std::int64_t size_, holes_;
};

}  // namespace

Options cutout_options() {
  Options options;
  options.integer("size", 16, "side of a square").unit("pixels").min(1);
  options.integer("holes", 1, "squares of an image").min(1);
  return options;
}

std::unique_ptr<Augmentation> make_cutout(const Settings& settings, const InputSpec& input) {
  const std::int64_t size = settings.integer("size");
  const std::int64_t most = 2 * std::min(input.height, input.width);
  if (size > most)
    throw config_error(
        settings.where("size"),
        fmt::format("a square of {} pixels in images of {} x {}", size, input.height, input.width),
        fmt::format("at most {} pixels", most));
  return std::make_unique<Cutout>(size, settings.integer("holes"));
}

}  // namespace bitwright
