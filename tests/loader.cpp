// Batch loaders: content, order, seeking, padding, prefetch.
#include <algorithm>
#include <atomic>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <oneapi/tbb/global_control.h>

#include <bitwright/core/parallel.h>
#include <bitwright/core/rng.h>
#include <bitwright/data/loader.h>
#include <bitwright/data/normalization.h>

#include "data/prefetch.h"
#include "image_fixture.h"

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
      BatchLoader(set, range(0, 5), size, 1, unit_normalization(1),
                  LoaderOptions{.where = Place{"a.yaml", 1, 2}});
      FAIL("accepted ", size);
    } catch (const Error& error) {
      CHECK(error.status() == ExitStatus::config);
    }
  }
  CHECK_THROWS_AS(EvaluationLoader(set, 0, unit_normalization(1)), Error);
  CHECK_THROWS_AS(BatchLoader(set, {5}, 1, 1, unit_normalization(1)), std::logic_error);
  CHECK_THROWS_AS(BatchLoader(set, {0}, 1, 1, unit_normalization(3)), std::logic_error);
}

// All that a loader gives in two epochs and a half, bit for bit.
static std::vector<std::uint8_t> bytes_of(BatchLoader& loader, std::int64_t from = 0) {
  std::vector<std::uint8_t> bytes;
  BatchTensors batch(loader.shape());
  loader.seek(from);
  while (loader.step() < loader.batches_per_epoch() * 5 / 2) {
    loader.next(batch);
    for (const Tensor& t : {batch.images, batch.labels, batch.targets}) {
      if (!t.defined()) continue;
      const auto* data = static_cast<const std::uint8_t*>(t.data());
      bytes.insert(bytes.end(), data, data + t.bytes());
    }
  }
  return bytes;
}

TEST_CASE("batches are the same for 1, 2 and 4 workers, and after going on in mid-epoch") {
  const oneapi::tbb::global_control real_threads(
      oneapi::tbb::global_control::max_allowed_parallelism, 5);
  const ImageSet set = test::random_images(53, 3, 8, 9);
  for (const DType type : {DType::f32, DType::bf16})
    for (const bool mixed : {false, true}) {
      const auto loader = [&](int workers) {
        std::vector<std::string> names{"pad_and_crop", "horizontal_flip", "random_resized_crop",
                                       "cutout"};
        if (mixed) names.push_back("mixup");
        return std::make_unique<BatchLoader>(
            set, range(0, 53), 5, 7, Normalization{{0.5, 0.4, 0.3}, {0.2, 0.3, 0.4}},
            LoaderOptions{.type = type,
                          .augmentations = test::augmentations(names, set),
                          .workers = workers});
      };
      const auto straight = bytes_of(*loader(1));
      for (const int workers : {2, 4}) CHECK(bytes_of(*loader(workers)) == straight);
      const std::int64_t step = 13;  // the fourth batch of the second epoch
      const auto rest = bytes_of(*loader(4), step);
      REQUIRE(rest.size() < straight.size());
      CHECK(std::equal(rest.begin(), rest.end(),
                       straight.end() - static_cast<std::ptrdiff_t>(rest.size())));
    }
}

TEST_CASE("an image's chances depend on the seed, the epoch and its index, not on its batch") {
  const ImageSet set = test::random_images(12, 3, 8, 8);
  const auto by_label = [&](std::uint64_t seed, std::int64_t batch, std::int64_t epoch) {
    BatchLoader loader(
        set, range(0, 12), batch, seed, unit_normalization(3),
        LoaderOptions{.augmentations = test::augmentations({"pad_and_crop", "color_jitter"}, set)});
    loader.seek(epoch * loader.batches_per_epoch());
    std::map<std::int32_t, std::vector<float>> images;
    for (Batch b; loader.step() < (epoch + 1) * loader.batches_per_epoch();) {
      loader.next(b);
      for (std::int64_t n = 0; n < batch; ++n)
        images[b.labels[static_cast<std::size_t>(n)]].assign(b.images.begin() + n * 192,
                                                             b.images.begin() + (n + 1) * 192);
    }
    CHECK(images.size() == 12);
    return images;
  };
  CHECK(by_label(1, 3, 4) == by_label(1, 4, 4));
  CHECK(by_label(1, 3, 4) != by_label(1, 3, 5));
  CHECK(by_label(1, 3, 4) != by_label(2, 3, 4));
}

TEST_CASE("bf16 images are the rounded f32 ones, for training and for evaluation") {
  const ImageSet set = test::random_images(10, 1, 4, 4);
  const Normalization normalization{{0.3}, {0.7}};
  EvaluationLoader wide(set, 4, normalization),
      narrow(set, 4, normalization, LoaderOptions{.type = DType::bf16});
  BatchTensors a(wide.shape()), b(narrow.shape());
  REQUIRE(b.images.type() == DType::bf16);
  while (wide.next(a)) {
    narrow.next(b);
    for (std::int64_t i = 0; i < a.images.numel(); ++i)
      REQUIRE(float{b.images.bf16()[i]} == float{bfloat16(a.images.f32()[i])});
  }
}

TEST_CASE("mixup: soft targets are the shares, and images are mixed in the same shares") {
  ImageSet set;  // image i is even, of value 20 i, and of class i
  set.height = 2, set.width = 2, set.channels = 1, set.classes = 6;
  for (int i = 0; i < 6; ++i) {
    set.labels.push_back(i);
    set.pixels.insert(set.pixels.end(), 4, static_cast<std::uint8_t>(20 * i));
  }
  BatchLoader loader(set, range(0, 6), 6, 1, unit_normalization(1),
                     LoaderOptions{.augmentations = test::augmentations({"mixup"}, set)});
  REQUIRE(loader.shape().soft_classes == 6);
  BatchTensors batch(loader.shape());
  double mixed = 0;
  for (int step = 0; step < 50; ++step) {
    loader.next(batch);
    for (std::int64_t n = 0; n < 6; ++n) {
      const float* const targets = batch.targets.f32() + n * 6;
      float sum = 0, value = 0;
      for (int c = 0; c < 6; ++c) sum += targets[c], value += targets[c] * 20 * c / 255;
      CHECK(sum == doctest::Approx(1));
      CHECK(batch.images.f32()[n * 4 + 3] == doctest::Approx(value).epsilon(1e-5));
      const float largest = *std::max_element(targets, targets + 6);
      CHECK(targets[batch.labels.i32()[n]] == largest);
      mixed += largest < 0.999f;
    }
  }
  CHECK(mixed > 200);  // of 300; one in six has itself as its partner
  std::vector<float> images(24);
  std::vector<std::int32_t> labels(6);
  CHECK_THROWS_AS(loader.next(images.data(), labels.data()), std::logic_error);
}

TEST_CASE("prefetch: no further ahead than asked, and failures arrive with their batch") {
  for (const int workers : {1, 3}) {
    std::atomic<int> furthest{0};
    std::atomic<bool> broken{true};
    Prefetcher prefetcher(
        BatchShape{1, 1, 1, 1, 1},
        [&](std::int64_t position, BatchBuffer& into) {
          for (int seen = furthest; seen < position && !furthest.compare_exchange_weak(
                                                           seen, static_cast<int>(position));) {
          }
          if (position == 2 && broken) throw std::runtime_error("position 2");
          into.batch.labels.i32()[0] = static_cast<std::int32_t>(position);
        },
        workers, 6);
    std::int32_t label = -1;
    const auto next = [&] {
      prefetcher.next([&](const BatchBuffer& b) { label = b.batch.labels.i32()[0]; });
      return label;
    };
    CHECK(next() == 0);
    CHECK(furthest <= workers + 1);
    CHECK(next() == 1);
    CHECK_THROWS_WITH(next(), "position 2");
    CHECK(prefetcher.position() == 2);
    broken = false;
    for (int position = 2; position < 6; ++position) CHECK(next() == position);
    prefetcher.seek(4);
    CHECK(next() == 4);
    CHECK(furthest == 5);  // nothing at the end or beyond
  }
}

TEST_CASE("prefetch: seeking discards a failure that nobody will read") {
  Prefetcher prefetcher(BatchShape{1, 1, 1, 1, 1}, [](std::int64_t position, BatchBuffer& into) {
    if (position == 1) throw std::runtime_error("position 1");
    into.batch.labels.i32()[0] = static_cast<std::int32_t>(position);
  });
  std::int32_t label = -1;
  const auto take = [&](const BatchBuffer& b) { label = b.batch.labels.i32()[0]; };
  prefetcher.next(take);
  prefetcher.seek(5);
  prefetcher.next(take);
  CHECK(label == 5);
}

// Keeps a thread of oneTBB until it is released; named for tsan.supp.
struct BusyTask {
  std::atomic<bool>& release;
  std::atomic<int>& blocked;
  void operator()() const {
    ++blocked;
    release.wait(false);
    --blocked;
  }
};

TEST_CASE("prefetch: whoever needs a batch makes it where every thread of oneTBB is busy") {
  std::atomic<bool> release{false};
  std::atomic<int> blocked{0};
  const int others = std::max(1, oneapi::tbb::this_task_arena::max_concurrency() - 1);
  oneapi::tbb::task_arena busy(others, 0);
  for (int i = 0; i < others; ++i) busy.enqueue(BusyTask{release, blocked});
  std::int32_t label = -1;
  {
    Prefetcher prefetcher(BatchShape{1, 1, 1, 1, 1}, [](std::int64_t position, BatchBuffer& into) {
      into.batch.labels.i32()[0] = static_cast<std::int32_t>(position);
    });
    for (int i = 0; i < 20; ++i)
      prefetcher.next([&](const BatchBuffer& b) { label = b.batch.labels.i32()[0]; });
  }
  CHECK(label == 19);
  release = true;
  release.notify_all();
  while (blocked > 0) std::this_thread::yield();
}
