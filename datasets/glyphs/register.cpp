#include <memory>
#include <optional>

#include <fmt/format.h>

#include <bitwright/core/registry.h>
#include <bitwright/data/dataset.h>

#include "glyphs.h"

namespace bitwright {

static Options glyphs_options() {
  Options options;
  options.choice("normalization", {"glyphs", "none", "train"}, "glyphs",
                 "mean and sd of the pixels: of the default set; 0 and 1; of the training split");
  options.integer("train_images", 60000, "training images, before validation images are split off")
      .unit("images")
      .min(1)
      .max(10'000'000);
  options.integer("test_images", 10000, "test images").unit("images").min(1).max(10'000'000);
  options
      .integer("generator_seed", 1,
               "seed of the images; separate from the seed of training, so that runs with several "
               "seeds share their data")
      .min(0);
  options.choice("style", {"grey", "color", "color64"}, "grey",
                 "28x28 grey; or 32x32 or 64x64 in colour, on patterned paper");
  options
      .integer("classes", 10,
               "10 digits; in colour up to 200, each a digit with a pattern of the paper and a hue")
      .min(10)
      .max(200);
  return options;
}

static std::optional<glyphs::ColorStyle> color_style(const Settings& settings) {
  const std::string& style = settings.text("style");
  const auto classes = static_cast<int>(settings.integer("classes"));
  if (style != "grey") return glyphs::ColorStyle{style == "color" ? 32 : 64, classes};
  if (classes != glyphs::digits)
    throw config_error(settings.where("classes"), fmt::format("{} classes of grey digits", classes),
                       "10", "set style: color");
  return {};
}

void register_glyphs(Registries& registries) {
  registries.datasets.add(
      {"glyphs", "digits rendered from pen strokes, grey or in colour, any number; needs no files",
       "", glyphs_options()},
      [](const Settings& settings, const DataRoot&) -> std::unique_ptr<Dataset> {
        return std::make_unique<glyphs::Glyphs>(
            static_cast<std::uint64_t>(settings.integer("generator_seed")),
            settings.integer("train_images"), settings.integer("test_images"),
            color_style(settings));
      });
}

}  // namespace bitwright
