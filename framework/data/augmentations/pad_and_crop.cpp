#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "data/augmentations/augmentations.h"

namespace bitwright {
namespace {

// What lies at place `at` of a line of `size` that goes on beyond its ends; -1: nothing does.
std::int64_t source(std::int64_t at, std::int64_t size, bool reflect) {
  if (at >= 0 && at < size) return at;
  if (!reflect) return -1;
  return at < 0 ? -at : 2 * (size - 1) - at;  // the edge itself is not repeated
}

class PadAndCrop : public Augmentation {
 public:
  PadAndCrop(std::int64_t padding, bool reflect) : padding_(padding), reflect_(reflect) {}

  void pixels(PixelImage& image, Draw& draw) const override {
    const std::int64_t down = draw.below(2 * padding_ + 1) - padding_;
    const std::int64_t right = draw.below(2 * padding_ + 1) - padding_;
    for (std::int64_t y = 0; y < image.height; ++y) {
      std::uint8_t* const to = image.spare + y * image.row();
      if (const std::int64_t from = source(y + down, image.height, reflect_); from < 0)
        std::memset(to, 0, static_cast<std::size_t>(image.row()));
      else
        shift(image, image.pixels + from * image.row(), right, to);
    }
    image.use_spare();
  }

 private:
  // Column x of `to` is column x + right of `from`.
  void shift(const PixelImage& image, const std::uint8_t* from, std::int64_t right,
             std::uint8_t* to) const {
    const std::int64_t c = image.channels, width = image.width;
    const std::int64_t begin = std::clamp<std::int64_t>(-right, 0, width);
    const std::int64_t end = std::clamp<std::int64_t>(width - right, begin, width);
    std::memcpy(to + begin * c, from + (begin + right) * c,
                static_cast<std::size_t>((end - begin) * c));
    const auto margin = [&](std::int64_t x) {
      const std::int64_t at = source(x + right, width, reflect_);
      for (std::int64_t k = 0; k < c; ++k)
        to[x * c + k] = at < 0 ? std::uint8_t{0} : from[at * c + k];
    };
    for (std::int64_t x = 0; x < begin; ++x) margin(x);
    for (std::int64_t x = end; x < width; ++x) margin(x);
  }

  std::int64_t padding_;
  bool reflect_;
};

}  // namespace

Options pad_and_crop_options() {
  Options options;
  options.integer("padding", 4, "margin on each side").unit("pixels").min(0);
  options.choice("margin", {"black", "reflect"}, "black",
                 "what the margin shows: pixels of value 0, or the image mirrored at its edge");
  return options;
}

std::unique_ptr<Augmentation> make_pad_and_crop(const Settings& settings, const InputSpec& input) {
  const std::int64_t padding = settings.integer("padding");
  const std::int64_t most = std::min(input.height, input.width) - 1;
  if (padding > most)
    throw config_error(settings.where("padding"),
                       fmt::format("a margin of {} pixels around images of {} x {}", padding,
                                   input.height, input.width),
                       fmt::format("0 to {} pixels", most));
  return std::make_unique<PadAndCrop>(padding, settings.text("margin") == "reflect");
}

}  // namespace bitwright
