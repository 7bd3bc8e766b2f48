#include "experiment/profiles.h"

#include <algorithm>

#include <fmt/format.h>

#include "experiment/assembly.h"
#include "experiment/overrides.h"
#include "experiment/schema.h"
#include "experiment/sweep.h"

namespace bitwright {
namespace {

// Small enough for seconds on one core with any network of the program.
constexpr int kSmokeSteps = 10, kSmokeBatch = 16, kSmokeTrain = 640, kSmokeValidation = 160,
              kSmokeTest = 160;

/// One profile, on its way into a tree.
class Profile {
 public:
  Profile(ConfigFile& file, const Registries& registries, Settings settings, Place place)
      : file_(file),
        registries_(registries),
        settings_(std::move(settings)),
        place_(std::move(place)) {}

  void apply(const Settings& before) {
    const std::string& name = settings_.text("name");
    if (settings_.boolean("glyphs")) replace_data(before);
    const auto& stages = before.sections("stages");
    for (std::size_t i = 0; i < stages.size(); ++i) shorten(stages[i], fmt::format("stages.{}", i));
    for (const std::string& change : settings_.texts("set"))
      if (!changes_sweep(change)) apply_override(file_.tree, change, settings_.where("set"));
    set("budget", name);
    set("experiment", before.text("experiment") + "-" + name);
    file_.tree.remove("profiles");  // a configuration is shortened once
  }

 private:
  void set(const std::string& key, const std::string& value) {
    apply_override(file_.tree, fmt::format("{}={}", key, value), place_);
  }

  void shorten(const Settings& stage, const std::string& at) {
    if (stage.text("kind") == "evaluate") return;
    if (const double scale = settings_.real("scale"); scale != 1) {
      if (stage.has("steps"))
        set(at + ".steps",
            fmt::format("{}",
                        std::max<std::int64_t>(
                            1, std::llround(scale * static_cast<double>(stage.integer("steps"))))));
      for (const char* key : {"epochs", "images"})
        if (stage.has(key))
          set(fmt::format("{}.{}", at, key), fmt::format("{}", scale * stage.real(key)));
    }
    if (!settings_.has("max_steps")) return;
    std::int64_t most = settings_.integer("max_steps");
    if (stage.has("max_steps")) most = std::min(most, stage.integer("max_steps"));
    set(at + ".max_steps", fmt::format("{}", most));
  }

  // Nothing is read: a data set knows its shape. What is done to its images goes on being done.
  void replace_data(const Settings& before) {
    const Settings& data = before.section("data");
    const auto dataset = registries_.datasets.make(data, data_root(data));
    const InputSpec shape = input_of(*dataset, data);
    const ConfigNode* const given = file_.tree.find("data");
    const ConfigNode* const augment = given == nullptr ? nullptr : given->find("augment");
    ConfigNode kept;
    if (augment != nullptr) kept = *augment;
    const auto batch = std::min<std::int64_t>(kSmokeBatch, data.integer("batch"));
    set("data",
        fmt::format("{{name: glyphs, train_images: {}, test_images: {}, batch: {}, "
                    "split: {{kind: last, validation: {}}}{}}}",
                    kSmokeTrain, kSmokeTest, batch, kSmokeValidation, shape_options(shape)));
    if (augment != nullptr) file_.tree.find("data")->set("augment", kept);
    set("evaluation.batch", fmt::format("{}", kSmokeValidation));
    const auto& stages = before.sections("stages");
    for (std::size_t i = 0; i < stages.size(); ++i)
      if (stages[i].has("data")) file_.tree.find("stages")->items[i].remove("data");
  }

  // What glyphs of a shape are called.
  std::string shape_options(const InputSpec& shape) const {
    const bool square = shape.height == shape.width;
    const std::int64_t side = square ? shape.height : 0;
    std::string style = side == 28 && shape.channels == 1   ? "grey"
                        : side == 32 && shape.channels == 3 ? "color"
                        : side == 64 && shape.channels == 3 ? "color64"
                                                            : "";
    constexpr int digits = 10, most = 200;
    const int few = style == "grey" ? digits : most;
    if (style.empty() || shape.classes > few)
      throw config_error(place_,
                         fmt::format("no glyphs of {} channels, {}x{}, {} classes", shape.channels,
                                     shape.height, shape.width, shape.classes),
                         "28x28 grey with 10 classes, 32x32 or 64x64 in colour with up to 200",
                         "name a profile that keeps the data");
    std::string text =
        fmt::format(", style: {}, classes: {}", style, std::max(digits, shape.classes));
    if (shape.classes >= digits) return text;
    std::vector<int> some;
    for (int i = 0; i < shape.classes; ++i) some.push_back(i);
    return text + fmt::format(", subset: {{classes: [{}]}}", fmt::join(some, ", "));
  }

  ConfigFile& file_;
  const Registries& registries_;
  const Settings settings_;
  const Place place_;
};

Settings built_in(const std::string& name) {
  Settings s;
  const Place place{"default"};
  s.set("name", name, place);
  s.set("scale", 1.0, place);
  s.set("glyphs", name == "smoke", place);
  s.set("set", std::vector<std::string>{}, place);
  if (name == "smoke") s.set("max_steps", std::int64_t{kSmokeSteps}, place);
  return s;
}

Settings find_profile(const Settings& config, const std::string& name) {
  std::vector<std::string> names;
  for (const Settings& profile : config.sections("profiles")) {
    names.push_back(profile.text("name"));
    if (names.back() == name) return profile;
  }
  if (name == "full" || name == "smoke") return built_in(name);
  names.insert(names.end(), {"full", "smoke"});
  const std::string near = nearest_name(name, names);
  throw config_error(Place{"command line"}, fmt::format("no profile is called '{}'", name),
                     near.empty() ? fmt::format("one of {}", fmt::join(names, ", "))
                                  : fmt::format("did you mean '{}'?", near),
                     "add it to 'profiles', or choose another");
}

}  // namespace

void apply_profile(ConfigFile& file, const std::string& name, const Registries& registries) {
  const Settings before = resolve_config(file, experiment_options(), registries);
  check_experiment(before);
  if (before.text("budget") != "full")
    throw config_error(
        before.where("budget"),
        fmt::format("the configuration is already shortened to '{}'", before.text("budget")),
        "the experiment's own file", "leave out --profile");
  const Settings profile = find_profile(before, name);
  if (name == "full" && profile.where("name").file == "default") return;
  const Place place{fmt::format("profile {}", name)};
  Profile(file, registries, profile, place).apply(before);
}

}  // namespace bitwright
