#include "experiment/assembly.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <bitwright/core/parallel.h>

#include "experiment/grid_stage.h"
#include "experiment/initial_weights.h"
#include "kernels/cpu.h"
#include "optim/schedules.h"
#include "train/batch_norm_statistics.h"
#include "train/calibration.h"
#include "train/single_evaluation.h"

namespace bitwright {

int resolve_threads(const Settings& config) {
  const std::string& threads = config.text("threads");
  return threads == "auto" ? available_cores() : std::stoi(threads);
}

DType resolve_precision(const Settings& config) {
  const std::string& precision = config.text("precision");
  if (precision == "f32") return DType::f32;
  if (precision == "bf16" && !kernels::has_native_bf16())
    throw config_error(config.where("precision"), "this CPU has no bf16 instructions",
                       "precision: f32", "'bf16_emulated' rounds alike, without being faster");
  return DType::bf16;
}

std::unique_ptr<Network> build_network(const Registries& registries, const Settings& config,
                                       const InputSpec& input) {
  return registries.networks.make(config.section("network"), input);
}

std::vector<std::unique_ptr<Method>> make_methods(const Registries& registries,
                                                  const Settings& stage) {
  std::vector<std::unique_ptr<Method>> methods;
  for (const Settings& method : stage.sections("methods"))
    methods.push_back(registries.methods.make(method));
  return methods;
}

std::int64_t steps_per_epoch(const Settings& config, const Settings& stage,
                             std::size_t training_images) {
  const std::int64_t batches =
      static_cast<std::int64_t>(training_images) / data_of(config, stage).integer("batch");
  return std::max<std::int64_t>(1, batches / stage.integer("accumulate"));
}

std::int64_t stage_steps(const Settings& config, const Settings& stage,
                         std::int64_t steps_per_epoch) {
  if (stage.text("kind") == "evaluate")
    return has_grid(stage) ? static_cast<std::int64_t>(grid_layout(stage).cells()) : 1;
  std::int64_t steps = 0;
  if (stage.has("steps")) {
    steps = stage.integer("steps");
  } else if (stage.has("epochs")) {
    steps = Length{stage.real("epochs"), Length::Unit::epochs}.steps({0, steps_per_epoch});
  } else {
    const auto of_a_step = data_of(config, stage).integer("batch") * stage.integer("accumulate");
    const double exact = stage.real("images") / static_cast<double>(of_a_step);
    steps = std::max<std::int64_t>(1, std::llround(exact));
  }
  return stage.has("max_steps") ? std::min(steps, stage.integer("max_steps")) : steps;
}

static UpdateOptions update_options(const Settings& stage) {
  const auto given = [](const Settings& section, const char* option) -> std::optional<double> {
    if (!section.has(option)) return {};
    return section.real(option);
  };
  const Settings &clip = stage.section("clip"), &average = stage.section("ema");
  return {.clip = {.norm = given(clip, "norm"), .value = given(clip, "value")},
          .average = {.decay = given(average, "decay").value_or(0),
                      .warm_up = average.boolean("warm_up")}};
}

bool starts_fresh(const Settings& config, std::size_t index) {
  if (index == 0 && has_initial_weights(config)) return false;
  return config.sections("stages")[index].text("start") == "fresh";
}

static StopOptions stop_options(const Settings& stage) {
  const Settings& stop = stage.section("stop");
  StopOptions options;
  if (stop.has("accuracy")) options.accuracy = stop.real("accuracy");
  if (stop.has("patience")) options.patience = stop.integer("patience");
  return options;
}

static WatchdogOptions watchdog_options(const Settings& config) {
  const Settings& watchdog = config.section("watchdog");
  const auto reaction = [&](Fault fault) {
    const std::string& name = watchdog.text(name_of(fault));
    return name == "stop"        ? Reaction::stop
           : name == "roll_back" ? Reaction::roll_back
                                 : Reaction::go_on;
  };
  return {.every = watchdog.integer("every"),
          .loss_factor = watchdog.real("loss_factor"),
          .non_finite = reaction(Fault::non_finite),
          .divergence = reaction(Fault::divergence),
          .zero_scale = reaction(Fault::zero_scale),
          .zero_layer = reaction(Fault::zero_layer)};
}

Stage::Stage(const Registries& registries, const Settings& config, std::size_t index,
             const ExperimentData& data, Network& network, const HandedOverByMethod& left) {
  const Settings& settings = config.sections("stages")[index];
  const auto seed = static_cast<std::uint64_t>(config.integer("seed"));
  name = settings.text("name");
  hands_over_last = settings.text("hand_over") == "last";
  const std::int64_t epoch = steps_per_epoch(config, settings, data.split.train.size());
  steps = stage_steps(config, settings, epoch);
  if (settings.text("start") == "fresh") initialize(network, seed);
  if (index == 0 && has_initial_weights(config)) note = load_initial_weights(config, network);

  const Settings& batches = data_of(config, settings);
  const std::int64_t accumulate = settings.integer("accumulate");
  const DType precision = resolve_precision(config);
  const int workers = static_cast<int>(batches.integer("workers"));
  loader = std::make_unique<BatchLoader>(
      data.train, data.split.train, batches.integer("batch"), seed, data.normalization,
      LoaderOptions{
          .type = precision,
          .augmentations = data.augmentations,
          .workers = workers,
          .group = accumulate,
          .where = accumulate == 1 ? batches.where("batch") : settings.where("accumulate")});
  const StageInfo info{name, seed, steps, epoch, starts_fresh(config, index), &network};
  methods = std::make_unique<MethodStack>(make_methods(registries, settings), info,
                                          settings.texts("freeze"), left);
  quantizes = !methods->empty();

  const Settings& evaluation = config.section("evaluation");
  validation = std::make_unique<Evaluator>(
      network, *methods,
      std::make_unique<EvaluationLoader>(data.train, data.split.validation,
                                         evaluation.integer("batch"), data.normalization,
                                         LoaderOptions{.type = precision, .workers = workers}),
      precision);
  if (has_grid(settings)) {
    grid = make_grid(registries, config, settings, data);
    work = std::make_unique<QuantizationGrid>(network, *methods, *validation, *grid->images,
                                              *grid->calibration, *loader, grid->options);
    return;
  }
  if (settings.text("kind") == "evaluate") {
    work = std::make_unique<SingleEvaluation>(network, *methods, *validation);
    return;
  }
  optimizer = registries.optimizers.make(settings.section("optimizer"));
  schedule = make_schedule(registries, settings.section("schedule"));
  work = std::make_unique<Trainer>(network, *methods, *optimizer, *schedule, *loader, *validation,
                                   TrainerOptions{.steps = steps,
                                                  .evaluate_every = evaluation.integer("every"),
                                                  .precision = precision,
                                                  .accumulate = accumulate,
                                                  .update = update_options(settings),
                                                  .stop = stop_options(settings),
                                                  .watchdog = watchdog_options(config)});
}

Stage::~Stage() = default;

void calibrate_methods(const Settings& stage, const Settings& config, const ExperimentData& data,
                       Stage& objects, Network& network) {
  const std::int64_t images = stage.integer("calibration_images");
  if (images == 0) return;
  const auto loader = calibration_loader(config, data, images);
  calibrate(network, *objects.methods, *loader, resolve_precision(config),
            activation_observers(*objects.methods));
}

void reestimate_batch_norm(const Settings& stage, const Settings& config, Stage& objects,
                           Network& network) {
  if (objects.grid) return;
  if (const std::int64_t batches = stage.integer("reestimate_batch_norm"); batches > 0)
    reestimate_batch_norm(network, *objects.methods, *objects.loader, batches,
                          resolve_precision(config));
}

std::unique_ptr<Evaluator> test_evaluator(const Settings& config, const ExperimentData& data,
                                          Network& network, MethodStack& methods) {
  return std::make_unique<Evaluator>(
      network, methods,
      std::make_unique<EvaluationLoader>(data.test, config.section("evaluation").integer("batch"),
                                         data.normalization),
      resolve_precision(config));
}

std::vector<MetricDeclaration> declared_metrics(const Registries& registries,
                                                const Settings& config, const Network& network) {
  std::vector<MetricDeclaration> all;
  for (const Settings& stage : config.sections("stages"))
    for (MetricDeclaration& m : method_metrics(make_methods(registries, stage), network)) {
      const auto known = std::find_if(all.begin(), all.end(), [&](const MetricDeclaration& o) {
        return o.name == m.name && o.layers.empty() == m.layers.empty();
      });
      if (known == all.end()) {
        all.push_back(std::move(m));
        continue;
      }
      for (std::string& layer : m.layers)  // a stage may quantize other layers than the one before
        if (std::ranges::count(known->layers, layer) == 0)
          known->layers.push_back(std::move(layer));
    }
  return all;
}

}  // namespace bitwright
