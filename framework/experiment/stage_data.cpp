// From a data set's settings to split, normalised images.
#include <cstdlib>
#include <optional>

#include <fmt/format.h>

#include <bitwright/core/sha256.h>
#include <bitwright/data/normalization.h>
#include <bitwright/data/subset.h>

#include "experiment/assembly.h"
#include "experiment/cache_folder.h"
#include "experiment/config.h"
#include "experiment/schema.h"

namespace bitwright {

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

const Settings& data_of(const Settings& config, const Settings& stage) {
  return stage.has("data") ? stage.section("data") : config.section("data");
}

ExperimentData load_data(const Registries& registries, const Settings& settings,
                         std::uint64_t seed) {
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
  data.split = make_split(settings.section("split"), data.train, seed);
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

// Equal for data that are read alike.
static std::string identity(const Registries& registries, const Settings& data) {
  Settings read = data, config;
  read.set("batch", std::int64_t{1}, Place{});
  config.set("data", read);
  return emit_config(config, experiment_options(), registries);
}

StageData::StageData(const Registries& registries, const Settings& config) {
  std::map<std::string, std::shared_ptr<const ExperimentData>> loaded;
  for (const Settings& stage : config.sections("stages")) {
    const Settings& data = data_of(config, stage);
    auto& one = loaded[identity(registries, data)];
    if (!one)
      one = std::make_shared<const ExperimentData>(
          load_data(registries, data, static_cast<std::uint64_t>(config.integer("seed"))));
    names_.push_back(stage.text("name"));
    stages_.push_back(one);
  }
}

std::map<std::string, std::string> StageData::provenance() const {
  std::map<std::string, std::string> all = stages_.front()->provenance();
  for (std::size_t i = 1; i < stages_.size(); ++i) {
    if (stages_[i] == stages_.front()) continue;
    for (const auto& [name, value] : stages_[i]->provenance())
      all["data." + names_[i] + name.substr(sizeof("data") - 1)] = value;
  }
  return all;
}

}  // namespace bitwright
