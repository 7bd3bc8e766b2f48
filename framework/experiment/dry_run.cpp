#include "experiment/dry_run.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include <fmt/format.h>
#include <sys/resource.h>

#include <bitwright/core/parallel.h>

#include "core/pool.h"
#include "experiment/algorithms.h"
#include "experiment/assembly.h"

namespace bitwright {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kSteps = 6;
constexpr std::ptrdiff_t kWarmUp = 2;  // steps that are not counted

// Takes the time of a few steps, and of the validation that follows the first one.
class Stopwatch final : public TrainingObserver {
 public:
  void on_step(const StepRecord& r) override {
    steps_.push_back(r.seconds);
    since_ = Clock::now();
  }
  void on_evaluation(const EvaluationRecord&) override {
    evaluation_ = std::chrono::duration<double>(Clock::now() - since_).count();
  }
  bool on_step_complete(std::int64_t done) override { return done >= kSteps; }

  double step() const {
    if (steps_.empty()) return 0;
    std::vector<double> sorted(
        std::ssize(steps_) > kWarmUp ? steps_.begin() + kWarmUp : steps_.begin(), steps_.end());
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
  double evaluation() const { return evaluation_; }

 private:
  std::vector<double> steps_;
  double evaluation_ = 0;
  Clock::time_point since_ = Clock::now();
};

std::string network_table(const Network& network) {
  std::string text = fmt::format("{:<28}{:<16}{:<18}{:>12}{:>16}\n", "layer", "kind", "output",
                                 "parameters", "MACs");
  for (const LayerSummary& layer : network.summary()) {
    std::int64_t elements = 0;
    for (const Parameter& p : network.parameters())
      if (p.layer == layer.name) elements += p.value.numel();
    text += fmt::format("{:<28}{:<16}{:<18}{:>12}{:>16}\n", layer.name, layer.kind,
                        layer.output.str(), elements, layer.macs);
  }
  return text +
         fmt::format("{:<62}{:>12}{:>16}\n", "all", network.parameter_count(), network.macs());
}

// Validations of a stage, by the rule of the trainer's loop.
std::int64_t validations(std::int64_t steps, std::int64_t epoch, std::int64_t every) {
  const std::int64_t starts = (epoch + every - 1) / every;  // in an epoch, by its own count
  const bool end_counted = (epoch - 1) % every == 0;
  const std::int64_t in_epoch = starts + (end_counted ? 0 : 1);
  const std::int64_t rest = steps % epoch;
  const std::int64_t in_rest = rest == 0 ? 0 : (rest + every - 1) / every;
  const bool last_counted = rest == 0 || (rest - 1) % every == 0;
  return steps / epoch * in_epoch + in_rest + (last_counted ? 0 : 1);
}

double peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024;
}

}  // namespace

std::string duration_text(double seconds) {
  if (seconds < 120) return fmt::format("{:.1f} s", seconds);
  if (seconds < 7200) return fmt::format("{:.1f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

DryRun dry_run(const Registries& registries, const Settings& config) {
  set_threads(resolve_threads(config));
  set_algorithms(config, resolve_threads(config), {});
  const StageData data(registries, config);
  const auto network = build_network(registries, config, data.of(0).input);
  std::string text = network_table(*network) + "\n";
  text += fmt::format("{:<16}{:>10}{:>14}{:>12}{:>14}{:>14}{:>12}\n", "stage", "steps",
                      "validations", "a step", "a validation", "buffers", "time");
  double all = 0;
  HandedOverByMethod left;
  for (std::size_t i = 0; i < config.sections("stages").size(); ++i) {
    const Settings& settings = config.sections("stages")[i];
    Stage stage(registries, config, i, data.of(i), *network, left);
    Stopwatch watch;
    stage.work->run(watch);
    stage.methods->leave(left);
    const std::int64_t epoch = steps_per_epoch(config, settings, data.of(i).split.train.size());
    const std::int64_t every = config.section("evaluation").integer("every");
    const std::int64_t evaluations = stage.optimizer ? validations(stage.steps, epoch, every) : 1;
    const std::int64_t updates = stage.optimizer ? stage.steps : 0;
    const double seconds = static_cast<double>(updates) * watch.step() +
                           static_cast<double>(evaluations) * watch.evaluation();
    all += seconds;
    text += fmt::format("{:<16}{:>10}{:>14}{:>9.2f} ms{:>11.1f} ms{:>11.1f} MB{:>12}\n", stage.name,
                        updates, evaluations, 1e3 * watch.step(), 1e3 * watch.evaluation(),
                        static_cast<double>(pool_statistics().system_bytes) / 1e6,
                        duration_text(seconds));
  }
  text += fmt::format(
      "\ntime: about {} with {} threads, without the final tests; memory: {:.0f} MB "
      "at most so far, data "
      "included\n",
      duration_text(all), resolve_threads(config), peak_memory() / 1e6);
  return {std::move(text), all};
}

}  // namespace bitwright
