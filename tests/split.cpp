// Training / validation split, normalisation, SHA-256.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/core/sha256.h>
#include <bitwright/data/normalization.h>
#include <bitwright/data/split.h>
#include <bitwright/data/subset.h>

using namespace bitwright;

static void check_partition(const Split& split, std::uint32_t count) {
  std::vector<std::uint32_t> all = split.train;
  all.insert(all.end(), split.validation.begin(), split.validation.end());
  std::sort(all.begin(), all.end());
  REQUIRE(all.size() == count);
  for (std::uint32_t i = 0; i < count; ++i) REQUIRE(all[i] == i);
  CHECK(std::is_sorted(split.train.begin(), split.train.end()));
  CHECK(std::is_sorted(split.validation.begin(), split.validation.end()));
}

TEST_CASE("split last: the paper's 50,000 / 10,000 on MNIST") {
  const Split split = split_last(60000, 10000);
  check_partition(split, 60000);
  CHECK(split.train.back() == 49999);
  CHECK(split.validation.front() == 50000);
  CHECK(split.validation.size() == 10000);
}

TEST_CASE("split last without validation images") {
  const Split split = split_last(5, 0);
  check_partition(split, 5);
  CHECK(split.validation.empty());
}

TEST_CASE("split seeded: a partition that depends on the seed only") {
  const Split split = split_seeded(1000, 300, 7);
  check_partition(split, 1000);
  CHECK(split.validation.size() == 300);
  CHECK(split.validation == split_seeded(1000, 300, 7).validation);
  CHECK(split.validation != split_seeded(1000, 300, 8).validation);
  CHECK(split.validation != split_last(1000, 300).validation);
}

TEST_CASE("split: validation must leave something to train on") {
  const Place where{"a.yaml", 3, 5};
  for (const std::int64_t validation : {10, 11, -1})
    for (const bool seeded : {false, true}) {
      try {
        seeded ? split_seeded(10, validation, 1, where) : split_last(10, validation, where);
        FAIL("accepted ", validation);
      } catch (const Error& error) {
        CHECK(error.status() == ExitStatus::config);
        CHECK(std::string(error.what()).find("a.yaml:3:5: error: ") == 0);
        CHECK(std::string(error.what()).find("0 to 9") != std::string::npos);
      }
    }
  CHECK_THROWS_AS(split_last(0, 0), Error);
}

// 60 of class 0, 30 of class 1, 10 of class 2, mixed.
static std::vector<std::int32_t> uneven_labels() {
  std::vector<std::int32_t> labels;
  for (int i = 0; i < 100; ++i) labels.push_back(i % 10 == 0 ? 2 : i % 10 < 4 ? 1 : 0);
  return labels;
}

static std::vector<int> histogram(const std::vector<std::uint32_t>& indices,
                                  const std::vector<std::int32_t>& labels) {
  std::vector<int> counts(3, 0);
  for (const std::uint32_t i : indices) ++counts[static_cast<std::size_t>(labels[i])];
  return counts;
}

TEST_CASE("split stratified: each class in proportion, whole numbers by largest fraction") {
  const auto labels = uneven_labels();
  const Split split = split_stratified(labels, 20, 3);
  check_partition(split, 100);
  CHECK(histogram(split.validation, labels) == std::vector<int>{12, 6, 2});
  // 9.0, 4.5, 1.5 of 15: the lower class among equal fractions.
  CHECK(histogram(split_stratified(labels, 15, 3).validation, labels) == std::vector<int>{9, 5, 1});
  CHECK(split.validation == split_stratified(labels, 20, 3).validation);
  CHECK(split.validation != split_stratified(labels, 20, 4).validation);
  CHECK_THROWS_AS(split_stratified(labels, 100, 3), Error);
}

TEST_CASE("split fold: the folds of a repeat are a partition; repeats differ") {
  const auto labels = uneven_labels();
  for (const bool stratified : {false, true}) {
    std::vector<std::uint32_t> all;
    for (std::int64_t fold = 0; fold < 4; ++fold) {
      const Split split = split_fold(labels, {4, fold, 2, stratified}, 9);
      check_partition(split, 100);
      CHECK(split.validation.size() == 25);
      if (stratified) {
        const auto counts = histogram(split.validation, labels);
        CHECK(counts[0] == 15);
        CHECK(std::abs(counts[1] - 7.5) < 1);
        CHECK(std::abs(counts[2] - 2.5) < 1);
      }
      all.insert(all.end(), split.validation.begin(), split.validation.end());
    }
    std::sort(all.begin(), all.end());
    for (std::uint32_t i = 0; i < 100; ++i) REQUIRE(all[i] == i);
    CHECK(split_fold(labels, {4, 0, 0, stratified}, 9).validation !=
          split_fold(labels, {4, 0, 1, stratified}, 9).validation);
  }
  for (const Fold& wrong : {Fold{1, 0, 0, false}, Fold{101, 0, 0, false}, Fold{4, 4, 0, false}})
    CHECK_THROWS_AS(split_fold(labels, wrong, 9), Error);
}

TEST_CASE("subset: classes numbered anew, the first of each class, the first of all") {
  ImageSet set;
  set.height = set.width = set.channels = 1;
  set.classes = 3;
  set.labels = {2, 0, 1, 2, 0, 1, 2, 0};
  for (std::uint8_t i = 0; i < 8; ++i) set.pixels.push_back(i);
  ImageSet subset = select(set, {{2, 0}, {}, {}});
  CHECK(subset.classes == 2);
  CHECK(subset.labels == std::vector<std::int32_t>{0, 1, 0, 1, 0, 1});
  CHECK(subset.pixels == std::vector<std::uint8_t>{0, 1, 3, 4, 6, 7});
  subset = select(set, {{}, 2, {}});
  CHECK(subset.classes == 3);
  CHECK(subset.pixels == std::vector<std::uint8_t>{0, 1, 2, 3, 4, 5});
  CHECK(select(set, {{1, 2}, 2, 3}).pixels == std::vector<std::uint8_t>{0, 2, 3});
  for (const Selection& wrong :
       {Selection{{3}, {}, {}}, {{1, 1}, {}, {}}, {{}, 3, {}}, {{}, {}, 9}, {{1}, {}, 3}})
    CHECK_THROWS_AS(select(set, wrong), Error);
  CHECK(subset_note({8, 8, 3}, set, set) == "");
  CHECK(subset_note({9, 8, 4}, set, set) == "subset: 8 of 9 training images, 3 of 4 classes");
}

static ImageSet two_channels() {
  ImageSet set;
  set.height = 1, set.width = 2, set.channels = 2, set.classes = 2;
  set.pixels = {0, 10, 255, 30, 51, 50, 102, 70, 9, 9, 9, 9};
  set.labels = {0, 1, 0};
  return set;
}

TEST_CASE("a pixel table holds (pixel / 255 - mean) / sd for every channel") {
  const PixelTable table = pixel_table({{0.1307, 0.5}, {0.3081, 0.25}});
  REQUIRE(table.size() == 512);
  CHECK(table[0] == doctest::Approx(-0.424213).epsilon(1e-5));
  CHECK(table[255] == doctest::Approx(2.821487).epsilon(1e-5));
  CHECK(table[256] == doctest::Approx(-2));
  CHECK(table[511] == doctest::Approx(2));
  CHECK_THROWS_AS(pixel_table({{0.0}, {0.0}}), std::logic_error);
  CHECK_THROWS_AS(pixel_table({{0.0}, {}}), std::logic_error);
}

TEST_CASE("normalization train: moments of the named images only, per channel") {
  const Normalization measured = measure_normalization(two_channels(), {0, 1});
  // Channel 0: 0, 255, 51, 102; channel 1: 10, 30, 50, 70.
  CHECK(measured.mean[0] == doctest::Approx(102.0 / 255));
  CHECK(measured.mean[1] == doctest::Approx(40.0 / 255));
  CHECK(measured.standard_deviation[0] == doctest::Approx(std::sqrt(9103.5) / 255));
  CHECK(measured.standard_deviation[1] == doctest::Approx(std::sqrt(500.0) / 255));
  CHECK_THROWS_AS(measure_normalization(two_channels(), {2}), Error);
  CHECK_THROWS_AS(measure_normalization(two_channels(), {}), Error);
}

TEST_CASE("normalizations are found by name") {
  const std::map<std::string, Normalization> presets{{"own", {{0.5, 0.5}, {2, 2}}}};
  const ImageSet set = two_channels();
  CHECK(find_normalization("own", presets, set, {0}).standard_deviation[1] == 2);
  CHECK(find_normalization("none", presets, set, {0}).mean == std::vector<double>{0, 0});
  CHECK(find_normalization("none", presets, set, {0}).standard_deviation ==
        std::vector<double>{1, 1});
  CHECK(find_normalization("train", presets, set, {0, 1}).mean[0] == doctest::Approx(0.4));
  try {
    find_normalization("mnsit", presets, set, {0}, Place{"a.yaml", 2, 1});
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.status() == ExitStatus::config);
    CHECK(std::string(error.what()) ==
          "a.yaml:2:1: error: unknown normalization 'mnsit'; one of own, none, train");
  }
}

TEST_CASE("SHA-256 of the standard's examples") {
  CHECK(sha256("", 0) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256("abc", 3) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 hash;
  hash.update("a", 1);
  CHECK(hash.hex() == sha256("a", 1));  // asking does not disturb
  hash.update("bc", 2);
  CHECK(hash.hex() == sha256("abc", 3));
  CHECK_THROWS_AS(sha256_file("/nonexistent/file"), Error);
}
