// What can be built without data, for the configuration errors that only building shows.
#include <algorithm>

#include <fmt/format.h>

#include <bitwright/core/glob.h>

#include "experiment/assembly.h"
#include "experiment/grid_stage.h"
#include "experiment/runner.h"
#include "optim/schedules.h"
#include "train/calibration.h"
#include "train/precision.h"

namespace bitwright {
namespace {

InputSpec shape_of(const Registries& registries, const Settings& data) {
  return input_of(*registries.datasets.make(data, data_root(data)), data);
}

void refuse_other_shape(const Settings& data, const InputSpec& own, const InputSpec& first) {
  const auto text = [](const InputSpec& i) {
    return fmt::format("{}x{}x{} and {} classes", i.channels, i.height, i.width, i.classes);
  };
  if (text(own) != text(first))
    throw config_error(data.where("name"), fmt::format("this stage's images are {}", text(own)),
                       fmt::format("{}, as in the stage before", text(first)),
                       "stages of one experiment share a network");
}

void refuse_idle_patterns(const Settings& stage, const Network& network) {
  for (const std::string& pattern : stage.texts("freeze")) {
    const bool used = std::ranges::any_of(
        network.parameters(), [&](const Parameter& p) { return glob_match(pattern, p.name); });
    if (used) continue;
    std::vector<std::string> names;
    for (const Parameter& p : network.parameters()) names.push_back(p.name);
    throw config_error(stage.where("freeze"),
                       fmt::format("pattern '{}' matches no parameter", pattern),
                       fmt::format("a pattern for one of {}", fmt::join(names, ", ")));
  }
}

// Nothing is computed: methods say here what they do not take. Two images, because batch
// normalisation has no variance of one.
void trace(const Network& network, MethodStack& methods) {
  const InputSpec& input = network.input();
  Tape tape(Execution::planned);
  Forward forward(tape, true, methods);
  const TensorSpec images{Shape({2, input.channels, input.height, input.width}), DType::f32,
                          Layout::channels_last};
  logits(network, forward, tape.constant(Tensor::empty(images)), DType::f32);
}

// Errors of methods that know no place are those of the stage's list.
MethodStack stack_of(const Registries& registries, const Settings& stage, const StageInfo& info,
                     const HandedOverByMethod& left) {
  try {
    MethodStack methods(make_methods(registries, stage), info, stage.texts("freeze"), left);
    trace(*info.network, methods);
    return methods;
  } catch (const Error& error) {
    if (!error.place().file.empty()) throw;
    throw config_error(stage.where("methods"),
                       std::string_view(error.what()).substr(sizeof("bitwright: error: ") - 1));
  }
}

void check_calibration(const Settings& stage, const MethodStack& methods) {
  if (stage.integer("calibration_images") == 0 || !activation_observers(methods).empty()) return;
  throw config_error(
      stage.where("calibration_images"),
      fmt::format("no method of stage '{}' observes activations", stage.text("name")), "0",
      "remove the key");
}

void dry_build_grid(const Registries& registries, const Settings& stage, const MethodStack& methods,
                    const Network& network) {
  quantized_weights(network, make_grid_options(registries, stage).kept);
  if (methods.transforms())
    throw config_error(stage.where("methods"), "methods and the grid both quantize weights",
                       "a grid over float weights", "remove these methods from the stage");
}

}  // namespace

std::unique_ptr<Network> dry_build(const Registries& registries, const Settings& config) {
  const auto& stages = config.sections("stages");
  const InputSpec input = shape_of(registries, data_of(config, stages.front()));
  auto network = build_network(registries, config, input);
  HandedOverByMethod left;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const Settings& stage = stages[i];
    const Settings& data = data_of(config, stage);
    refuse_other_shape(data, shape_of(registries, data), input);
    make_augmentations(registries, data, input);
    refuse_idle_patterns(stage, *network);
    const StageInfo info{
        stage.text("name"), 0, stage_steps(config, stage, 1), 1, starts_fresh(config, i),
        network.get()};
    const MethodStack methods = stack_of(registries, stage, info, left);
    methods.leave(left);
    check_calibration(stage, methods);
    if (has_grid(stage)) dry_build_grid(registries, stage, methods, *network);
    if (stage.text("kind") == "evaluate") continue;
    registries.optimizers.make(stage.section("optimizer"))->attach(methods.untraced());
    make_schedule(registries, stage.section("schedule"));
  }
  return network;
}

}  // namespace bitwright
