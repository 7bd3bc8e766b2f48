// The embedded digits: pure functions of (seed, part, index), balanced, and legible in the sense
// that a digit's ink is where its strokes are.
#include "datasets/glyphs/glyphs.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/core/parallel.h>
#include <bitwright/core/registry.h>
#include <bitwright/data/normalization.h>

#include "datasets/glyphs/generator.h"
#include "datasets/glyphs/strokes.h"

namespace bitwright {
void register_glyphs(Registries& registries);
}
using namespace bitwright;
using namespace bitwright::glyphs;

TEST_CASE("glyphs: any size, and a smaller set is the beginning of a larger one") {
  const ImageSet large = generate(1, "train", 300), small = generate(1, "train", 37);
  CHECK(small.count() == 37);
  CHECK(small.pixels.size() == 37 * 784);
  CHECK(std::equal(small.pixels.begin(), small.pixels.end(), large.pixels.begin()));
  CHECK(std::equal(small.labels.begin(), small.labels.end(), large.labels.begin()));
  CHECK(generate(1, "train", 0).count() == 0);
}

TEST_CASE("glyphs: the same bits with any number of threads") {
  const int before = threads();
  set_threads(1);
  const ImageSet alone = generate(5, "test", 400);
  set_threads(3);
  const ImageSet together = generate(5, "test", 400);
  set_threads(before);
  CHECK(alone.pixels == together.pixels);
  CHECK(alone.labels == together.labels);
}

TEST_CASE("glyphs: seed and part change the images, and no image occurs twice") {
  std::set<std::vector<std::uint8_t>> seen;
  for (const std::uint64_t seed : {1, 2})
    for (const char* part : {"train", "test"}) {
      const ImageSet set = generate(seed, part, 250);
      for (std::int64_t i = 0; i < set.count(); ++i)
        seen.emplace(set.image(i), set.image(i) + set.image_size());
    }
  CHECK(seen.size() == 1000);
}

TEST_CASE("glyphs: the two parts differ in their strokes, not only in their noise") {
  Ranges quiet;
  quiet.noise_low = quiet.noise_high = 0;
  std::vector<std::uint8_t> train(784), test(784);
  for (std::int64_t index = 0; index < 10; ++index) {
    render(1, "train", index, 5, train.data(), quiet);
    render(1, "test", index, 5, test.data(), quiet);
    CHECK(train != test);
  }
}

TEST_CASE("glyphs: each ten images hold every class once, in an order that varies") {
  std::set<std::vector<int>> orders;
  for (std::int64_t block = 0; block < 50; ++block) {
    std::vector<int> order;
    for (std::int64_t i = 0; i < 10; ++i) order.push_back(label_of(1, "train", block * 10 + i));
    orders.insert(order);
    CHECK(std::set<int>(order.begin(), order.end()).size() == 10);
  }
  CHECK(orders.size() > 40);
}

TEST_CASE("glyphs: every style stays in its square and fills the height") {
  for (int digit = 0; digit < digits; ++digit) {
    CHECK(styles_of(digit).size() >= 3);
    for (const Pen& style : styles_of(digit)) {
      double top = 1, bottom = 0;
      for (const Stroke& stroke : style.strokes()) {
        CHECK(stroke.size() >= 2);
        for (const Point p : stroke) {
          CHECK(p.x >= -0.1);
          CHECK(p.x <= 1.1);
          top = std::min(top, p.y), bottom = std::max(bottom, p.y);
        }
      }
      CHECK(top == doctest::Approx(0).epsilon(0.1).scale(1));
      CHECK(bottom == doctest::Approx(1).epsilon(0.1).scale(1));
    }
  }
}

// Nothing random but the style: no warp, no clutter, no noise, white on black.
static Ranges plain() {
  Ranges r;
  r.height_low = r.height_high = 20;
  r.aspect_low = r.aspect_high = 0.7;
  r.rotation = r.shear = r.shift = r.warp = 0;
  r.pen_low = r.pen_high = 1;
  r.ink_low = r.ink_high = 1;
  r.paper_high = r.blur_high = r.noise_low = r.noise_high = 0;
  r.clutter_high = 0;
  return r;
}

TEST_CASE("glyphs: without disturbance, digits look like digits") {
  std::vector<std::uint8_t> image(784);
  const auto at = [&](int x, int y) { return int{image[static_cast<std::size_t>(y * 28 + x)]}; };
  for (std::int64_t index = 0; index < 20; ++index) {
    render(1, "train", index, 0, image.data(), plain());
    CHECK(at(14, 14) == 0);    // hollow
    CHECK(at(0, 0) == 0);      // paper
    CHECK(at(14, 23) == 255);  // foot of the ring: centre 13.5, height 20
    render(1, "train", index, 1, image.data(), plain());
    CHECK(std::max({at(13, 14), at(14, 14), at(12, 14)}) > 200);  // stem
    CHECK(at(5, 14) == 0);
    render(1, "train", index, 8, image.data(), plain());
    const int waist = std::max({at(13, 12), at(13, 13), at(13, 14), at(13, 11)});
    CHECK(waist > 150);
  }
}

TEST_CASE("glyphs: noise and paper have their levels") {
  Ranges r = plain();
  r.noise_low = r.noise_high = 0.1;
  r.pen_low = r.pen_high = -1;  // no ink at all
  std::vector<std::uint8_t> image(784);
  double above = 0, squares = 0;
  const int count = 200;
  for (std::int64_t index = 0; index < count; ++index) {
    render(3, "train", index, 0, image.data(), r);
    for (const std::uint8_t pixel : image) {
      above += pixel > 0;
      squares += pixel / 255.0 * (pixel / 255.0);
    }
  }
  // Half of the noise is cut off at black; the rest keeps its second moment.
  CHECK(above / (784 * count) == doctest::Approx(0.5).epsilon(0.01));
  CHECK(squares / (784 * count) / 0.005 == doctest::Approx(1).epsilon(0.02));
}

TEST_CASE("glyphs: the preset fits the default set, and provenance names what was generated") {
  Glyphs data(1, 2000, 100);
  CHECK(data.input().channels == 1);
  CHECK(data.input().height == 28);
  CHECK(data.input().width == 28);
  CHECK(data.input().classes == 10);
  const ImageSet train = data.train();
  CHECK(train.count() == 2000);
  CHECK(data.test().count() == 100);
  std::vector<std::uint32_t> all(2000);
  for (std::uint32_t i = 0; i < 2000; ++i) all[i] = i;
  const Normalization measured = measure_normalization(train, all);
  const Normalization preset = data.normalizations().at("glyphs");
  CHECK(measured.mean[0] / preset.mean[0] == doctest::Approx(1).epsilon(0.01));
  CHECK(measured.standard_deviation[0] / preset.standard_deviation[0] ==
        doctest::Approx(1).epsilon(0.01));
  const auto hashes = data.hashes();
  CHECK(hashes.size() == 2);
  CHECK(hashes.count("glyphs train (generator 1, seed 1, 2000 images)") == 1);
  Glyphs again(1, 2000, 100), other(2, 2000, 100);
  again.train(), other.train();
  CHECK(again.hashes().begin()->second ==
        hashes.at("glyphs train (generator 1, seed 1, 2000 images)"));
  CHECK(other.hashes().begin()->second != again.hashes().begin()->second);
}

TEST_CASE("glyphs: coloured sets of any number of classes and either size are balanced") {
  for (const ColorStyle& style : {ColorStyle{32, 10}, ColorStyle{32, 37}, ColorStyle{64, 200}}) {
    const ImageSet set = generate_color(1, "train", 2 * style.classes, style);
    CHECK(set.image_size() == style.side * style.side * 3);
    std::vector<int> counts(static_cast<std::size_t>(style.classes), 0);
    for (const std::int32_t label : set.labels) ++counts[static_cast<std::size_t>(label)];
    CHECK(std::all_of(counts.begin(), counts.end(), [](int n) { return n == 2; }));
    const ImageSet fewer = generate_color(1, "train", 7, style);
    CHECK(std::equal(fewer.pixels.begin(), fewer.pixels.end(), set.pixels.begin()));
    CHECK(generate_color(2, "train", 7, style).pixels != fewer.pixels);
    CHECK(generate_color(1, "test", 7, style).pixels != fewer.pixels);
  }
}

// Hue of the pixel that differs most from the corners, in sixths of a turn.
static double ink_hue(const std::uint8_t* image, std::int64_t side) {
  const std::uint8_t* ink = image;
  int most = -1;
  for (std::int64_t i = 0; i < side * side; ++i) {
    const std::uint8_t* const p = image + 3 * i;
    const int chroma = std::max({p[0], p[1], p[2]}) - std::min({p[0], p[1], p[2]});
    if (chroma > most) most = chroma, ink = p;
  }
  const double r = ink[0], g = ink[1], b = ink[2], top = std::max({r, g, b});
  const double hue = top == r ? (g - b) / most : top == g ? 2 + (b - r) / most : 4 + (r - g) / most;
  return hue < 0 ? hue + 6 : hue;
}

TEST_CASE("glyphs: with 200 classes the hue of the ink is part of the class") {
  const ColorStyle style{32, 200};
  std::vector<std::uint8_t> image(32 * 32 * 3);
  int near = 0;
  const int count = 200;
  for (int i = 0; i < count; ++i) {
    const int variant = i % 20, band = variant / 4;  // of five
    render_color(1, "train", i, variant * 10 + i % 10, style, image.data());
    const double hue = ink_hue(image.data(), 32) / 6 * 5;  // in bands
    const double away = std::abs(std::remainder(hue - (band + 0.5), 5.0));
    near += away < 0.6;
  }
  CHECK(near > count * 7 / 10);  // strays and noise are sometimes more colourful
}

TEST_CASE("glyphs: the preset fits the coloured set") {
  Glyphs data(1, 2000, 10, ColorStyle{32, 10});
  CHECK(data.input().channels == 3);
  CHECK(data.input().height == 32);
  const ImageSet train = data.train();
  std::vector<std::uint32_t> all(2000);
  for (std::uint32_t i = 0; i < 2000; ++i) all[i] = i;
  const Normalization measured = measure_normalization(train, all);
  const Normalization preset = data.normalizations().at("glyphs");
  for (std::size_t c = 0; c < 3; ++c) {
    CHECK(std::abs(measured.mean[c] - preset.mean[c]) < 0.01);
    CHECK(std::abs(measured.standard_deviation[c] - preset.standard_deviation[c]) < 0.01);
  }
  CHECK(data.hashes().count("glyphs train (color 1, 32 px, 10 classes, seed 1, 2000 images)") == 1);
}

TEST_CASE("glyphs: options reach the generator") {
  Registries registries;
  register_glyphs(registries);
  const ComponentInfo* info = registries.datasets.find("glyphs");
  REQUIRE(info != nullptr);
  Settings settings;
  settings.set_component("glyphs");
  for (const Option& option : info->options.list())
    settings.set(option.name, option.fallback.value(), Place{"default"});
  CHECK(settings.integer("train_images") == 60000);
  CHECK(settings.text("normalization") == "glyphs");
  settings.set("train_images", std::int64_t{30}, {});
  settings.set("test_images", std::int64_t{20}, {});
  settings.set("generator_seed", std::int64_t{9}, {});
  const auto data = registries.datasets.make(settings, DataRoot{});
  CHECK(data->train().pixels == generate(9, "train", 30).pixels);
  CHECK(data->test().pixels == generate(9, "test", 20).pixels);
  CHECK(data->normalizations().count(settings.text("normalization")) == 1);
  settings.set("style", std::string("color64"), {});
  settings.set("classes", std::int64_t{20}, {});
  const auto color = registries.datasets.make(settings, DataRoot{});
  CHECK(color->train().pixels == generate_color(9, "train", 30, {64, 20}).pixels);
  settings.set("style", std::string("grey"), {});
  CHECK_THROWS_AS(registries.datasets.make(settings, DataRoot{}), Error);
}
