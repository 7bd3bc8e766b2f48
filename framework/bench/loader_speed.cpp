#include "bench/loader_speed.h"

#include <chrono>
#include <cmath>
#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <bitwright/core/rng.h>
#include <bitwright/data/loader.h>
#include <bitwright/data/normalization.h>

#include "experiment/config.h"

namespace bitwright::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kImages = 50'000, kBatch = 128, kWarmUp = 20;
constexpr double kSeconds = 2;

ImageSet noise() {
  ImageSet set;
  set.height = set.width = 32;
  set.channels = 3;
  set.classes = 10;
  set.labels.assign(kImages, 0);
  set.pixels.resize(static_cast<std::size_t>(kImages * set.image_size()));
  const Rng rng(1, "bench pixels");
  for (std::size_t i = 0; i < set.pixels.size(); i += 8) {
    const std::uint64_t bits = rng.bits(i / 8);
    std::memcpy(set.pixels.data() + i, &bits, 8);
  }
  return set;
}

Augmentations transform(const Registries& registries, const InputSpec& input) {
  const Options options = Options{}.components("augment", "augmentations", "the transform");
  const Settings settings =
      parse_config("augment: [{name: pad_and_crop, padding: 4}, horizontal_flip]\n", "bench", {},
                   options, registries);
  Augmentations all;
  for (const Settings& one : settings.sections("augment"))
    all.push_back(registries.augmentations.make(one, input));
  return all;
}

}  // namespace

LoaderSpeed measure_loader(const Registries& registries, int workers, std::int64_t batches) {
  const ImageSet images = noise();
  std::vector<std::uint32_t> all(static_cast<std::size_t>(kImages));
  for (std::uint32_t i = 0; i < kImages; ++i) all[i] = i;
  BatchLoader loader(
      images, all, kBatch, 1, standard_normalization("cifar10"),
      LoaderOptions{.augmentations = transform(registries, {3, 32, 32, 10}), .workers = workers});
  BatchTensors batch(loader.shape());
  for (std::int64_t i = 0; i < kWarmUp; ++i) loader.next(batch);
  LoaderSpeed speed{workers, 0, 0};
  const auto begin = Clock::now();
  std::chrono::duration<double> past{};
  for (; batches > 0 ? speed.batches < batches : past.count() < kSeconds; ++speed.batches) {
    loader.next(batch);
    past = Clock::now() - begin;
  }
  speed.images_per_s = static_cast<double>(speed.batches * kBatch) / past.count();
  return speed;
}

std::string loader_speed_text(const LoaderSpeed& speed) {
  return fmt::format("loader: {:.0f} images/s ({} workers, {} batches of {}; CIFAR: crop, flip)\n",
                     speed.images_per_s, speed.workers, speed.batches, kBatch);
}

std::string loader_speed_as_json(const LoaderSpeed& speed) {
  return nlohmann::ordered_json{{"images_per_s", std::round(speed.images_per_s)},
                                {"workers", speed.workers},
                                {"batch", kBatch},
                                {"batches", speed.batches}}
             .dump(2) +
         "\n";
}

}  // namespace bitwright::bench
