#include "bench/fed_step.h"

#include <chrono>
#include <utility>

#include <bitwright/core/parallel.h>
#include <bitwright/data/loader.h>
#include <bitwright/data/normalization.h>

#include "bench/cases.h"
#include "bench/noise_data.h"
#include "train/training_step.h"

namespace bitwright::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr std::int64_t kImages = 50'000, kWarmUp = 10;
constexpr double kSeconds = 2;

FedStep measure(const Registries& registries, const Case& c, std::int64_t steps) {
  const InputSpec& input = c.net.input;
  const ImageSet images = noise_images(input, kImages);
  std::vector<std::uint32_t> all(static_cast<std::size_t>(kImages));
  for (std::uint32_t i = 0; i < kImages; ++i) all[i] = i;
  LoaderOptions options;
  if (input.channels == 3) options.augmentations = crop_and_flip(registries, input);
  BatchLoader loader(images, std::move(all), c.net.batch, 1, unit_normalization(input.channels),
                     std::move(options));

  const auto network =
      registries.networks.make(settings_of(registries, c).section("network"), input);
  initialize(*network, 1);
  MethodStack methods({}, StageInfo{"bench", 1, 1, 1, true, network.get()});
  const auto optimizer =
      registries.optimizers.make(settings_of(registries, c).section("optimizer"));
  TrainingStep step(*network, methods, *optimizer, loader.shape());

  FedStep result{c.net.name, 0, 0, 0};
  Seconds waiting{}, past{};
  Clock::time_point begin = Clock::now();
  for (std::int64_t i = -kWarmUp; steps > 0 ? i < steps : i < 3 || past.count() < kSeconds; ++i) {
    if (i == 0) begin = Clock::now(), waiting = {};
    const Clock::time_point asked = Clock::now();
    loader.wait();
    waiting += Clock::now() - asked;
    loader.next(step.batch());
    step.update({0, 0, 1e-6});
    past = Clock::now() - begin;
    result.steps = i + 1;
  }
  result.step_ms = 1e3 * past.count() / static_cast<double>(result.steps);
  result.waiting = waiting / past;
  return result;
}

}  // namespace

std::vector<FedStep> measure_fed_steps(const Registries& registries, int threads,
                                       std::int64_t steps) {
  set_threads(threads);
  std::vector<FedStep> all;
  for (const Case& c : select(registries, {{"lenet300", "lenet5", "resnet20"}, {"f32"}, {"train"}}))
    all.push_back(measure(registries, c, steps));
  return all;
}

}  // namespace bitwright::bench
