#include "bench/measure.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <memory>
#include <string>

#include <malloc.h>

#include <bitwright/core/parallel.h>
#include <bitwright/core/rng.h>
#include <bitwright/nn/network.h>

#include "core/pool.h"
#include "train/evaluation_step.h"
#include "train/training_step.h"

namespace bitwright::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kWarmUpSteps = 4;
constexpr double kTimedSeconds = 2;
constexpr std::size_t kFewestSteps = 3, kMostSteps = 100000;

// A network with its step, whichever it is.
struct Subject {
  std::unique_ptr<Network> network;
  std::unique_ptr<MethodStack> methods;
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<TrainingStep> training;
  std::unique_ptr<EvaluationStep> evaluation;
  std::function<void()> step;
  std::function<void(StepObserver*)> observe;
};

void fill_batch(BatchTensors& batch, int classes) {
  const Rng pixels(1, "bench images"), answers(1, "bench labels");
  for_float_type(batch.images.type(), [&]<class T>(T*) {
    for (std::int64_t i = 0; i < batch.images.numel(); ++i)
      batch.images.as<T>()[i] = T(static_cast<float>(pixels.normal(static_cast<std::uint64_t>(i))));
  });
  for (std::int64_t i = 0; i < batch.labels.numel(); ++i)
    batch.labels.i32()[i] = static_cast<std::int32_t>(
        answers.below(static_cast<std::uint64_t>(i), static_cast<std::uint32_t>(classes)));
}

Subject make_subject(const Registries& registries, const Case& c) {
  const Settings settings = settings_of(registries, c);
  const InputSpec& input = c.net.input;
  const DType precision = c.dtype == "bf16" ? DType::bf16 : DType::f32;
  const BatchShape shape{c.net.batch, input.channels, input.height,
                         input.width, c.net.batch,    precision};
  Subject s;
  s.network = registries.networks.make(settings.section("network"), input);
  initialize(*s.network, 1);
  const StageInfo stage{"bench", 1, 1, 1, true, s.network.get()};
  std::vector<std::unique_ptr<Method>> methods;
  for (const Settings& method : settings.sections("methods"))
    methods.push_back(registries.methods.make(method));
  s.methods = std::make_unique<MethodStack>(std::move(methods), stage);
  if (c.mode == "train") {
    s.optimizer = registries.optimizers.make(settings.section("optimizer"));
    s.training =
        std::make_unique<TrainingStep>(*s.network, *s.methods, *s.optimizer, shape, precision);
    TrainingStep& step = *s.training;
    fill_batch(step.batch(), input.classes);
    const StepInfo info{0, 0, s.optimizer->learning_rate()};
    s.step = [&step, info] { step.update(info); };
    s.observe = [&step](StepObserver* observer) { step.observe(observer); };
  } else {
    s.evaluation = std::make_unique<EvaluationStep>(*s.network, *s.methods, shape, precision);
    EvaluationStep& step = *s.evaluation;
    step.deploy(Deployment::hard);
    fill_batch(step.batch(), input.classes);
    s.step = [&step, n = shape.n] { step.run(n); };
    s.observe = [&step](StepObserver* observer) { step.observe(observer); };
  }
  return s;
}

// Takings from the system while it is alive.
class AllocationCount {
 public:
  void before_step() {
    blocks_ = pool_statistics().system_allocations;
    heap_ = heap_bytes();
  }
  void after_step() {
    count_ += pool_statistics().system_allocations - blocks_;
    count_ += heap_bytes() > heap_;
  }
  std::int64_t count() const { return count_; }

 private:
  static std::size_t heap_bytes() {
#if defined(__GLIBC__)
    const auto info = mallinfo2();
    return info.arena + info.hblkhd;  // from sbrk, by mmap
#else
    return 0;
#endif
  }
  std::int64_t blocks_ = 0, count_ = 0;
  std::size_t heap_ = 0;
};

// The kernel's high-water mark. getrusage() would also remember the process that started this one.
double peak_rss_mb() {
  std::ifstream status("/proc/self/status");
  std::string word;
  double kilobytes = 0;
  while (status >> word)
    if (word == "VmHWM:") status >> kilobytes;
  return kilobytes * 1024 / 1e6;
}

double median(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  const std::size_t n = times.size();
  return 0.5 * (times[(n - 1) / 2] + times[n / 2]);
}

bool enough(const std::vector<double>& times, std::int64_t wanted, Clock::time_point begin) {
  if (wanted > 0) return times.size() == static_cast<std::size_t>(wanted);
  const std::chrono::duration<double> past = Clock::now() - begin;
  return times.size() >= kMostSteps ||
         (times.size() >= kFewestSteps && past.count() > 2 * kTimedSeconds);  // half is observed
}

}  // namespace

Measurement measure(const Registries& registries, const Case& c, const MeasureOptions& options,
                    StepProfile& profile) {
  set_threads(options.threads);
  const Subject subject = make_subject(registries, c);
  for (int i = 0; i < kWarmUpSteps; ++i) subject.step();

  // A plain step and a step under observation take turns, so that both see the same machine.
  AllocationCount allocations;
  std::vector<double> times;
  times.reserve(kMostSteps);
  const auto begin = Clock::now();
  while (!enough(times, options.steps, begin)) {
    allocations.before_step();
    const auto began = Clock::now();
    subject.step();
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - began).count());
    allocations.after_step();

    subject.observe(&profile);
    profile.step_begins({});
    subject.step();
    profile.step_ends();
    subject.observe(nullptr);
  }
  return {.steps = static_cast<std::int64_t>(times.size()),
          .median_ms = median(times),
          .min_ms = *std::min_element(times.begin(), times.end()),
          .primitives_sum_ms = profile.floor(),
          .allocations = allocations.count(),
          .peak_rss_mb = peak_rss_mb(),
          .parameters = subject.network->parameter_count()};
}

}  // namespace bitwright::bench
