// Batch loaders: content, order, seeking, padding, prefetch.
#include <atomic>
#include <stdexcept>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/core/parallel.h>
#include <bitwright/core/rng.h>
#include <bitwright/data/loader.h>
#include <bitwright/data/normalization.h>

#include "data/prefetch.h"

using namespace bitwright;

// Image i has label i and, in channel c, the pixels i + 64 c + position.
static ImageSet numbered(std::int64_t count, std::int64_t channels = 1) {
  ImageSet set;
  set.height = 2, set.width = 3, set.channels = channels, set.classes = static_cast<int>(count);
  for (std::int64_t i = 0; i < count; ++i) {
    set.labels.push_back(static_cast<std::int32_t>(i));
    for (std::int64_t p = 0; p < 6; ++p)
      for (std::int64_t c = 0; c < channels; ++c)
        set.pixels.push_back(static_cast<std::uint8_t>(i + 64 * c + p));
  }
  return set;
}

static std::vector<std::uint32_t> range(std::uint32_t begin, std::uint32_t end) {
  std::vector<std::uint32_t> indices;
  for (std::uint32_t i = begin; i < end; ++i) indices.push_back(i);
  return indices;
}

TEST_CASE("an epoch gives each training image once, with its own pixels") {
  const ImageSet set = numbered(40, 2);
  const Normalization normalization{{0.5, 0.25}, {0.5, 2}};
  BatchLoader loader(set, range(10, 40), 10, 1, normalization);
  CHECK(loader.batches_per_epoch() == 3);
  CHECK(loader.shape().size() == 10 * 2 * 2 * 3);
  std::vector<int> seen(40, 0);
  Batch batch;
  for (int b = 0; b < 3; ++b) {
    loader.next(batch);
    CHECK(batch.shape.valid == 10);
    for (std::size_t n = 0; n < 10; ++n) {
      const std::int32_t label = batch.labels[n];
      ++seen[static_cast<std::size_t>(label)];
      for (std::size_t p = 0; p < 6; ++p) {
        const double pixel = static_cast<double>(label) + static_cast<double>(p);
        CHECK(batch.images[(n * 6 + p) * 2] == doctest::Approx((pixel / 255 - 0.5) / 0.5));
        CHECK(batch.images[(n * 6 + p) * 2 + 1] ==
              doctest::Approx(((pixel + 64) / 255 - 0.25) / 2));
      }
    }
  }
  for (std::size_t i = 0; i < 40; ++i) CHECK(seen[i] == (i >= 10));
}

TEST_CASE("the order of an epoch is Rng(seed, shuffle, epoch), and leftovers are dropped") {
  const ImageSet set = numbered(23);
  BatchLoader loader(set, range(0, 23), 5, 42, unit_normalization(1));
  CHECK(loader.batches_per_epoch() == 4);
  Batch batch;
  for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
    const auto order = Rng(42, "shuffle", epoch).permutation(23);
    for (std::size_t b = 0; b < 4; ++b) {
      loader.next(batch);
      for (std::size_t n = 0; n < 5; ++n)
        CHECK(batch.labels[n] == static_cast<std::int32_t>(order[b * 5 + n]));
    }
  }
}

TEST_CASE("seek: every step is reached directly and gives the bits of the straight run") {
  const ImageSet set = numbered(50);
  std::vector<Batch> straight(30);
  BatchLoader first(set, range(0, 50), 7, 3, unit_normalization(1));
  for (Batch& batch : straight) first.next(batch);

  BatchLoader second(set, range(0, 50), 7, 3, unit_normalization(1));
  Batch batch;
  for (const std::int64_t step : {29, 0, 13, 14, 6, 7, 7, 28, 1}) {
    second.seek(step);
    CHECK(second.step() == step);
    second.next(batch);
    CHECK(second.step() == step + 1);
    CHECK(batch.images == straight[static_cast<std::size_t>(step)].images);
    CHECK(batch.labels == straight[static_cast<std::size_t>(step)].labels);
  }
  CHECK_THROWS_AS(second.seek(-1), std::logic_error);
}

TEST_CASE("batches depend on the seed and not on the number of threads") {
  const ImageSet set = numbered(50);
  const auto labels = [&](std::uint64_t seed, int team) {
    const int before = threads();
    set_threads(team);
    BatchLoader loader(set, range(0, 50), 10, seed, unit_normalization(1));
    std::vector<std::int32_t> all;
    Batch batch;
    for (int step = 0; step < 12; ++step) {
      loader.next(batch);
      all.insert(all.end(), batch.labels.begin(), batch.labels.end());
    }
    set_threads(before);
    return all;
  };
  CHECK(labels(1, 1) == labels(1, 2));
  CHECK(labels(1, 1) != labels(2, 1));
}

TEST_CASE("evaluation: all images in order, the last batch padded with its last image") {
  const ImageSet set = numbered(20);
  EvaluationLoader loader(set, {3, 1, 4, 15, 9, 2, 6}, 3, unit_normalization(1));
  CHECK(loader.batches() == 3);
  CHECK(loader.count() == 7);
  Batch batch;
  for (int pass = 0; pass < 2; ++pass) {
    CHECK(loader.next(batch) == 3);
    CHECK(batch.labels == std::vector<std::int32_t>{3, 1, 4});
    CHECK(batch.images[0] == doctest::Approx(3.0 / 255));
    CHECK(loader.next(batch) == 3);
    CHECK(batch.labels == std::vector<std::int32_t>{15, 9, 2});
    CHECK(loader.next(batch) == 1);
    CHECK(batch.shape.valid == 1);
    CHECK(batch.labels == std::vector<std::int32_t>{6, 6, 6});
    CHECK(batch.images[12 + 5] == doctest::Approx(11.0 / 255));
    CHECK(loader.next(batch) == 0);
    CHECK(loader.next(batch) == 0);
    loader.rewind();
  }
  EvaluationLoader whole(set, 20, unit_normalization(1));
  CHECK(whole.next(batch) == 20);
  CHECK(batch.labels.back() == 19);
  CHECK(whole.next(batch) == 0);
  EvaluationLoader none(set, std::vector<std::uint32_t>{}, 3, unit_normalization(1));
  CHECK(none.next(batch) == 0);
}

TEST_CASE("a batch size that cannot be is a configuration error") {
  const ImageSet set = numbered(5);
  for (const std::int64_t size : {0, -3, 6}) {
    try {
      BatchLoader(set, range(0, 5), size, 1, unit_normalization(1), Place{"a.yaml", 1, 2});
      FAIL("accepted ", size);
    } catch (const Error& error) {
      CHECK(error.status() == ExitStatus::config);
    }
  }
  CHECK_THROWS_AS(EvaluationLoader(set, 0, unit_normalization(1)), Error);
  CHECK_THROWS_AS(BatchLoader(set, {5}, 1, 1, unit_normalization(1)), std::logic_error);
  CHECK_THROWS_AS(BatchLoader(set, {0}, 1, 1, unit_normalization(3)), std::logic_error);
}

TEST_CASE("prefetch: one ahead, no further; failures arrive with the batch that they belong to") {
  std::atomic<int> calls{0};
  std::atomic<bool> broken{true};
  {
    Batch buffer{{1, 1, 1, 1, 1}, {0.0f}, {0}};
    Prefetcher prefetcher(
        buffer,
        [&](std::int64_t position, Batch& batch) {
          ++calls;
          if (position == 2 && broken) throw std::runtime_error("position 2");
          batch.labels[0] = static_cast<std::int32_t>(position);
        },
        4);
    float image;
    std::int32_t label;
    prefetcher.next(&image, &label);
    CHECK(label == 0);
    prefetcher.next(&image, &label);
    CHECK(label == 1);
    CHECK_THROWS_WITH(prefetcher.next(&image, &label), "position 2");
    CHECK(prefetcher.position() == 2);
    broken = false;
    prefetcher.next(&image, &label);
    CHECK(label == 2);
    prefetcher.next(&image, &label);
    CHECK(label == 3);
  }                   // waits for what may still run
  CHECK(calls == 5);  // 0, 1, 2 (broken), 2, 3: nothing at or beyond the end
}

TEST_CASE("prefetch: seeking discards a failure that nobody will read") {
  Batch buffer{{1, 1, 1, 1, 1}, {0.0f}, {0}};
  Prefetcher prefetcher(buffer, [](std::int64_t position, Batch& batch) {
    if (position == 1) throw std::runtime_error("position 1");
    batch.labels[0] = static_cast<std::int32_t>(position);
  });
  float image;
  std::int32_t label;
  prefetcher.next(&image, &label);
  prefetcher.seek(5);
  prefetcher.next(&image, &label);
  CHECK(label == 5);
}
