#include "experiment/assembly.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include <fmt/format.h>

#include <bitwright/core/parallel.h>
#include <bitwright/core/sha256.h>
#include <bitwright/data/normalization.h>
#include <bitwright/data/subset.h>

#include "experiment/cache_folder.h"
#include "experiment/initial_weights.h"
#include "kernels/cpu.h"
#include "optim/schedules.h"

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

DataRoot data_root(const Settings& data) {
  const std::string& given = data.text("cache");
  const std::string cache = given.empty() ? user_cache_folder() : given;
  if (const std::string& root = data.text("root"); !root.empty())
    return {root, data.where("root"), cache};
  const char* const variable = std::getenv("BITWRIGHT_DATA");
  return {variable == nullptr ? "" : variable, Place{"BITWRIGHT_DATA"}, cache};
}

static Split make_split(const Settings& split, const ImageSet& train, std::uint64_t run_seed) {
  const std::string& kind = split.text("kind");
  const std::int64_t validation = split.integer("validation");
  const bool stratified = split.boolean("stratified");
  const std::uint64_t seed =
      split.has("seed") ? static_cast<std::uint64_t>(split.integer("seed")) : run_seed;
  if (kind == "fold")
    return split_fold(
        train.labels,
        Fold{split.integer("folds"), split.integer("fold"), split.integer("repeat"), stratified},
        seed, split.where("fold"));
  if (kind == "seeded")
    return stratified ? split_stratified(train.labels, validation, seed, split.where("validation"))
                      : split_seeded(train.count(), validation, seed, split.where("validation"));
  if (stratified)
    throw config_error(split.where("stratified"), "the last images are as they are",
                       "kind: seeded or fold", "remove 'stratified'");
  return split_last(train.count(), validation, split.where("validation"));
}

static std::optional<std::int64_t> number(const Settings& section, const char* option) {
  if (!section.has(option)) return {};
  return section.integer(option);
}

InputSpec input_of(const Dataset& dataset, const Settings& data) {
  InputSpec input = dataset.input();
  const auto& classes = data.section("subset").integers("classes");
  if (!classes.empty()) input.classes = static_cast<int>(classes.size());
  return input;
}

// Replaces both parts by what `data.subset` chooses of them.
static void choose_subset(const Settings& subset, ExperimentData& data) {
  const Selection train{subset.integers("classes"), number(subset, "per_class"),
                        number(subset, "first")};
  const Selection test{train.classes, {}, number(subset, "test_first")};
  if (!train.all()) data.train = select(data.train, train, subset.place());
  if (!test.all()) data.test = select(data.test, test, subset.place());
}

Augmentations make_augmentations(const Registries& registries, const Settings& data,
                                 const InputSpec& input) {
  Augmentations all;
  bool mixes = false;
  for (const Settings& one : data.sections("augment")) {
    all.push_back(registries.augmentations.make(one, input));
    if (mixes && all.back()->mixes())
      throw config_error(one.where("name"),
                         fmt::format("'{}' mixes images that are mixed already", one.name()),
                         "one augmentation that mixes", "remove one");
    mixes |= all.back()->mixes();
  }
  return all;
}

ExperimentData load_data(const Registries& registries, const Settings& config) {
  const Settings& settings = config.section("data");
  ExperimentData data;
  data.dataset = registries.datasets.make(settings, data_root(settings));
  data.train = data.dataset->train();
  data.test = data.dataset->test();
  // Where nothing was published, the whole is what the data set gives.
  const OfficialSize whole = data.dataset->official().value_or(
      OfficialSize{data.train.count(), data.test.count(), data.train.classes});
  choose_subset(settings.section("subset"), data);
  data.subset = subset_note(whole, data.train, data.test);
  data.input = input_of(*data.dataset, settings);
  data.split = make_split(settings.section("split"), data.train,
                          static_cast<std::uint64_t>(config.integer("seed")));
  data.normalization =
      find_normalization(settings.text("normalization"), data.dataset->normalizations(), data.train,
                         data.split.train, settings.where("normalization"));
  data.augmentations = make_augmentations(registries, settings, data.input);
  return data;
}

std::map<std::string, std::string> ExperimentData::provenance() const {
  std::map<std::string, std::string> all;
  for (const auto& [source, hash] : dataset->hashes()) all["data." + source] = hash;
  if (!subset.empty()) all["data.subset"] = subset;
  const auto hash = [&](const std::vector<std::uint32_t>& indices) {
    Sha256 sum;
    sum.update(indices.data(), indices.size() * sizeof indices[0]);
    sum.update(train.labels.data(), train.labels.size() * sizeof train.labels[0]);
    return fmt::format("{} images, {}", indices.size(), sum.hex());
  };
  all["data.split.train"] = hash(split.train);
  all["data.split.validation"] = hash(split.validation);
  return all;
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
      static_cast<std::int64_t>(training_images) / config.section("data").integer("batch");
  return std::max<std::int64_t>(1, batches / stage.integer("accumulate"));
}

std::int64_t stage_steps(const Settings& stage, std::int64_t steps_per_epoch) {
  if (stage.has("steps")) return stage.integer("steps");
  return Length{stage.real("epochs"), Length::Unit::epochs}.steps({0, steps_per_epoch});
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

Stage::Stage(const Registries& registries, const Settings& config, std::size_t index,
             const ExperimentData& data, Network& network) {
  const Settings& settings = config.sections("stages")[index];
  const auto seed = static_cast<std::uint64_t>(config.integer("seed"));
  name = settings.text("name");
  const std::int64_t epoch = steps_per_epoch(config, settings, data.split.train.size());
  steps = stage_steps(settings, epoch);
  if (settings.text("start") == "fresh") initialize(network, seed);
  if (index == 0 && has_initial_weights(config)) note = load_initial_weights(config, network);

  const Settings& batches = config.section("data");
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
  methods = std::make_unique<MethodStack>(make_methods(registries, settings), info);
  quantizes = !methods->empty();
  optimizer = registries.optimizers.make(settings.section("optimizer"));
  schedule = make_schedule(registries, settings.section("schedule"));

  const Settings& evaluation = config.section("evaluation");
  validation = std::make_unique<Evaluator>(
      network, *methods,
      std::make_unique<EvaluationLoader>(data.train, data.split.validation,
                                         evaluation.integer("batch"), data.normalization,
                                         LoaderOptions{.type = precision, .workers = workers}),
      precision);
  trainer =
      std::make_unique<Trainer>(network, *methods, *optimizer, *schedule, *loader, *validation,
                                TrainerOptions{.steps = steps,
                                               .evaluate_every = evaluation.integer("every"),
                                               .precision = precision,
                                               .accumulate = accumulate,
                                               .update = update_options(settings)});
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
                                                const Settings& config) {
  std::vector<MetricDeclaration> all;
  for (const Settings& stage : config.sections("stages"))
    for (MetricDeclaration& m : method_metrics(make_methods(registries, stage))) {
      const bool known = std::any_of(all.begin(), all.end(),
                                     [&](const MetricDeclaration& o) { return o.name == m.name; });
      if (!known) all.push_back(std::move(m));
    }
  return all;
}

}  // namespace bitwright
