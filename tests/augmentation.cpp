// What each augmentation does to an image, against Pillow's bits where it has the same operation.
#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/core/error.h>

#include "data/color.h"
#include "data/resample.h"
#include "image_fixture.h"

using namespace bitwright;
using Bytes = std::vector<std::uint8_t>;

// Pixel (y, x), channel c: (37 x + 91 y + 53 c + 13 x y) mod 256.
static Bytes picture(int height, int width) {
  Bytes all;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c)
        all.push_back(static_cast<std::uint8_t>(37 * x + 91 * y + 53 * c + 13 * x * y));
  return all;
}

static Bytes applied(const Augmentation& augmentation, Bytes image, std::int64_t height,
                     std::int64_t width, std::uint64_t index) {
  Bytes spare(image.size());
  PixelImage view{height, width, static_cast<std::int64_t>(image.size()) / (height * width),
                  image.data(), spare.data()};
  const Rng rng(5, "augment", 0, index);
  Draw draw(rng, 0);
  augmentation.pixels(view, draw);
  return {view.pixels, view.pixels + image.size()};
}

TEST_CASE("scaling gives the bits of Pillow 9.4, BILINEAR") {
  Resampler resampler;
  Bytes grown(75), shrunk(36);
  const Bytes small = picture(6, 7), large = picture(9, 11);
  resampler.scale(small.data(), 21, 3, Window{1, 2, 3, 4}, grown.data(), 5, 5);
  CHECK(grown == Bytes{191, 244, 41,  226, 100, 76,  138, 63,  116, 50,  103, 156, 85,  138, 191,
                       135, 188, 88,  174, 120, 126, 142, 118, 120, 109, 131, 112, 147, 98,  151,
                       52,  105, 158, 96,  149, 202, 147, 200, 125, 197, 173, 47,  241, 38,  91,
                       122, 175, 75,  172, 117, 124, 152, 128, 130, 132, 154, 135, 181, 132, 185,
                       169, 222, 19,  222, 96,  72,  155, 80,  133, 88,  141, 194, 141, 194, 247});
  resampler.scale(large.data(), 33, 3, Window{0, 0, 9, 11}, shrunk.data(), 3, 4);
  CHECK(shrunk == Bytes{121, 138, 142, 140, 139, 141, 134, 130, 130, 111, 116, 132,
                        122, 153, 135, 143, 117, 141, 133, 115, 146, 141, 137, 131,
                        149, 120, 164, 153, 117, 152, 149, 127, 134, 153, 127, 132});
  Bytes same(large.size());
  resampler.scale(large.data(), 33, 3, Window{0, 0, 9, 11}, same.data(), 9, 11);
  CHECK(same == large);
}

TEST_CASE("brightness, contrast and saturation give the bits of Pillow 9.4, ImageEnhance") {
  const auto changed = [](void (*change)(PixelImage&, double), double factor) {
    Bytes image = picture(2, 2);
    PixelImage view{2, 2, 3, image.data(), nullptr};
    change(view, factor);
    return image;
  };
  CHECK(changed(change_brightness, 1.5) ==
        Bytes{0, 79, 159, 55, 135, 214, 136, 216, 255, 211, 255, 255});
  CHECK(changed(change_contrast, 0.5) ==
        Bytes{55, 81, 108, 73, 100, 126, 100, 127, 153, 125, 152, 178});
  CHECK(changed(change_saturation, 1.5) ==
        Bytes{0, 58, 137, 15, 95, 174, 69, 149, 228, 119, 199, 255});
  for (const auto change : {change_brightness, change_contrast, change_saturation})
    CHECK(changed(change, 1) == picture(2, 2));
}

TEST_CASE("the hue turns from red over green to blue, and leaves grey alone") {
  const auto turned = [](Bytes pixel, double turns) {
    PixelImage view{1, 1, 3, pixel.data(), nullptr};
    turn_hue(view, turns);
    return pixel;
  };
  CHECK(turned({255, 0, 0}, 1.0 / 3) == Bytes{0, 255, 0});
  CHECK(turned({255, 0, 0}, -1.0 / 3) == Bytes{0, 0, 255});
  CHECK(turned({200, 100, 100}, 0.5) == Bytes{100, 200, 200});
  CHECK(turned({200, 50, 50}, 1.0 / 12) == Bytes{200, 125, 50});  // half of the way to yellow
  CHECK(turned({77, 77, 77}, 0.3) == Bytes{77, 77, 77});
  for (const Bytes& pixel : {Bytes{10, 200, 30}, Bytes{99, 3, 180}, Bytes{250, 251, 3}})
    CHECK(turned(pixel, 0) == pixel);
}

TEST_CASE("pad_and_crop: a window of the image in its margin, every one as likely") {
  const InputSpec input{3, 6, 7, 2};
  const Bytes image = picture(6, 7);
  for (const bool reflect : {false, true}) {
    const auto crop = test::augmentation(
        "pad_and_crop", input,
        {{"padding", std::int64_t{2}}, {"margin", std::string(reflect ? "reflect" : "black")}});
    std::set<std::pair<int, int>> seen;
    for (std::uint64_t index = 0; index < 400; ++index) {
      const Bytes result = applied(*crop, image, 6, 7, index);
      for (int down = -2; down <= 2; ++down)
        for (int right = -2; right <= 2; ++right) {
          Bytes expected;
          for (int y = down; y < 6 + down; ++y)
            for (int x = right; x < 7 + right; ++x)
              for (int c = 0; c < 3; ++c) {
                const bool inside = y >= 0 && y < 6 && x >= 0 && x < 7;
                const int v = y < 0 ? -y : y > 5 ? 10 - y : y;
                const int u = x < 0 ? -x : x > 6 ? 12 - x : x;
                expected.push_back(
                    inside || reflect ? image[static_cast<std::size_t>((v * 7 + u) * 3 + c)] : 0);
              }
          if (result == expected) seen.insert({down, right});
        }
    }
    CHECK(seen.size() == 25);
  }
  CHECK_THROWS_AS(test::augmentation("pad_and_crop", input, {{"padding", std::int64_t{6}}}), Error);
}

TEST_CASE("horizontal_flip: with its probability") {
  const InputSpec input{3, 2, 5, 2};
  const Bytes image = picture(2, 5);
  Bytes mirrored;
  for (int y = 0; y < 2; ++y)
    for (int x = 4; x >= 0; --x)
      for (int c = 0; c < 3; ++c)
        mirrored.push_back(image[static_cast<std::size_t>((y * 5 + x) * 3 + c)]);
  const auto share = [&](double probability) {
    const auto flip = test::augmentation("horizontal_flip", input, {{"probability", probability}});
    int flipped = 0;
    for (std::uint64_t index = 0; index < 1000; ++index) {
      const Bytes result = applied(*flip, image, 2, 5, index);
      CHECK((result == image || result == mirrored));
      flipped += result == mirrored;
    }
    return flipped / 1000.0;
  };
  CHECK(share(0) == 0);
  CHECK(share(1) == 1);
  CHECK(share(0.25) == doctest::Approx(0.25).epsilon(0.15));
}

TEST_CASE("random_resized_crop: the whole image at scale 1, and areas within the range") {
  const InputSpec input{1, 32, 32, 2};
  Bytes ramp(32 * 32);
  for (std::size_t i = 0; i < ramp.size(); ++i) ramp[i] = static_cast<std::uint8_t>(i % 32 * 8);
  const auto whole = test::augmentation(
      "random_resized_crop", input,
      {{"scale", std::vector<double>{1, 1}}, {"ratio", std::vector<double>{1, 1}}});
  CHECK(applied(*whole, ramp, 32, 32, 3) == ramp);

  // The slope of the ramp tells the width of the part; square parts have that squared as area.
  const auto part = test::augmentation(
      "random_resized_crop", input,
      {{"scale", std::vector<double>{0.25, 0.5}}, {"ratio", std::vector<double>{1, 1}}});
  double least = 1, greatest = 0;
  for (std::uint64_t index = 0; index < 300; ++index) {
    const Bytes result = applied(*part, ramp, 32, 32, index);
    const double width = (result[25] - result[5]) / 20.0 / 8;
    least = std::min(least, width * width), greatest = std::max(greatest, width * width);
  }
  CHECK(least == doctest::Approx(0.25).epsilon(0.08));
  CHECK(greatest == doctest::Approx(0.5).epsilon(0.08));
  for (const std::vector<double>& wrong : {std::vector<double>{0.5}, {0.5, 0.2}})
    CHECK_THROWS_AS(test::augmentation("random_resized_crop", input, {{"scale", wrong}}), Error);
}

TEST_CASE("cutout: a square of zeros around any pixel, cut off at the edges") {
  const auto cutout =
      test::augmentation("cutout", InputSpec{2, 9, 9, 2}, {{"size", std::int64_t{4}}});
  std::set<int> areas;
  for (std::uint64_t index = 0; index < 300; ++index) {
    std::vector<float> values(2 * 81, 1.0f);
    ValueImage view{9, 9, 2, values.data()};
    const Rng rng(5, "augment", 0, index);
    Draw draw(rng, 0);
    cutout->values(view, draw);
    int top = 9, bottom = -1, left = 9, right = -1, zeros = 0;
    for (int y = 0; y < 9; ++y)
      for (int x = 0; x < 9; ++x) {
        CHECK(values[static_cast<std::size_t>(2 * (9 * y + x))] ==
              values[static_cast<std::size_t>(2 * (9 * y + x) + 1)]);
        if (values[static_cast<std::size_t>(2 * (9 * y + x))] != 0) continue;
        ++zeros;
        top = std::min(top, y), bottom = std::max(bottom, y);
        left = std::min(left, x), right = std::max(right, x);
      }
    CHECK(zeros == (bottom - top + 1) * (right - left + 1));
    areas.insert(zeros);
  }
  CHECK(*areas.begin() == 4);
  CHECK(*areas.rbegin() == 16);
  CHECK_THROWS_AS(test::augmentation("cutout", InputSpec{2, 9, 9, 2}, {{"size", std::int64_t{19}}}),
                  Error);
}

TEST_CASE("color_jitter refuses colours of grey images and does nothing by default") {
  const Bytes image = picture(4, 4);
  CHECK(applied(*test::augmentation("color_jitter", InputSpec{3, 4, 4, 2}), image, 4, 4, 1) ==
        image);
  CHECK(applied(*test::augmentation("color_jitter", InputSpec{3, 4, 4, 2}, {{"hue", 0.5}}), image,
                4, 4, 1) != image);
  CHECK_THROWS_AS(test::augmentation("color_jitter", InputSpec{1, 4, 4, 2}, {{"hue", 0.1}}), Error);
}

TEST_CASE("Beta(alpha, alpha) has its mean and its variance") {
  for (const double alpha : {0.2, 1.0, 5.0}) {
    const int count = 20000;
    double sum = 0, squares = 0;
    for (int i = 0; i < count; ++i) {
      const Rng rng(1, "augment", 0, static_cast<std::uint64_t>(i));
      Draw draw(rng, 0);
      const double x = draw.beta(alpha);
      REQUIRE(x >= 0);
      REQUIRE(x <= 1);
      sum += x, squares += (x - 0.5) * (x - 0.5);
    }
    CHECK(sum / count == doctest::Approx(0.5).epsilon(0.02));
    CHECK(squares / count == doctest::Approx(1 / (8 * alpha + 4)).epsilon(0.03));
  }
}
