#include "bench/loader_speed.h"

#include <chrono>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <bitwright/data/loader.h>
#include <bitwright/data/normalization.h>

#include "bench/noise_data.h"

namespace bitwright::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kImages = 50'000, kBatch = 128, kWarmUp = 20;
constexpr double kSeconds = 2;

}  // namespace

LoaderSpeed measure_loader(const Registries& registries, int workers, std::int64_t batches) {
  const InputSpec input{3, 32, 32, 10};
  const ImageSet images = noise_images(input, kImages);
  std::vector<std::uint32_t> all(static_cast<std::size_t>(kImages));
  for (std::uint32_t i = 0; i < kImages; ++i) all[i] = i;
  BatchLoader loader(
      images, all, kBatch, 1, standard_normalization("cifar10"),
      LoaderOptions{.augmentations = crop_and_flip(registries, input), .workers = workers});
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

std::string loader_text(const LoaderSpeed& speed, const std::vector<FedStep>& steps) {
  std::string text =
      fmt::format("loader: {:.0f} images/s ({} workers, {} batches of {}; CIFAR: crop, flip)\n",
                  speed.images_per_s, speed.workers, speed.batches, kBatch);
  for (const FedStep& s : steps)
    text += fmt::format("{:<9} step {:.3f} ms, {:.2f} % of it waiting for its batch ({} steps)\n",
                        s.net + ":", s.step_ms, 100 * s.waiting, s.steps);
  return text;
}

std::string loader_as_json(const LoaderSpeed& speed, const std::vector<FedStep>& steps) {
  auto nets = nlohmann::ordered_json::array();
  for (const FedStep& s : steps)
    nets.push_back(
        {{"net", s.net}, {"steps", s.steps}, {"step_ms", s.step_ms}, {"waiting", s.waiting}});
  return nlohmann::ordered_json{{"images_per_s", std::round(speed.images_per_s)},
                                {"workers", speed.workers},
                                {"batch", kBatch},
                                {"batches", speed.batches},
                                {"steps", nets}}
             .dump(2) +
         "\n";
}

}  // namespace bitwright::bench
