#include "experiment/grid_stage.h"

#include <algorithm>

#include <fmt/format.h>

#include "train/calibration.h"

namespace bitwright {

constexpr std::int64_t kFloatBits = 32;

static Options quantizer_options() {
  return Options{}.text("label", "", "what the axis calls it; empty: its name");
}

static Option widths(std::string name, std::vector<std::int64_t> fallback, std::string doc) {
  Options one;
  one.integers(std::move(name), std::move(fallback), std::move(doc)).unit("bits").min(1).max(32);
  return one.list().front();
}

Options grid_options() {
  const std::vector<std::string> switched{"without", "with", "both"};
  return Options{}
      .components("quantizers", "quantizers", "of weights, one after the other; none: no grid",
                  quantizer_options())
      .add(widths("weight_bits", {8, 4, 3, 2}, "32: float weights"))
      .choice("bias_correction", switched, "without",
              "the mean of each output channel is set back to what it was; both: an axis")
      .add(widths("activation_bits", {32}, "32: float activations"))
      .choice("power_of_two", switched, "without",
              "every step, and its clip, becomes the nearest power of two; both: an axis")
      .reals("step_ratio", {1}, "factors on every step, and its clip, that was found")
      .symbol("r")
      .above(0)
      .component("activation_quantizer", "quantizers", "asymmetric",
                 "of the outputs of activation functions", quantizer_options())
      .texts("keep_float", {"first", "last", "linear"},
             "first: the first convolution and activation function; last: the last ones; linear: "
             "linear layers; else name patterns (* and ?) of layers")
      .integer("calibration_images", 512,
               "images of the training part from which ranges of activations are found")
      .unit("images")
      .min(1)
      .choice("images", {"test", "validation"}, "test", "what every cell is evaluated on");
}

bool has_grid(const Settings& stage) {
  return !stage.section("grid").sections("quantizers").empty();
}

// A key that is not as it would be without a word; a resolved configuration says every key.
static std::string key_given(const Settings& grid) {
  const Options options = grid_options();
  for (const Option& option : options.list())
    if (option.fallback && grid.value(option.name) != nullptr &&
        *grid.value(option.name) != *option.fallback)
      return option.name;
  return "";
}

void check_grid(const Settings& stage) {
  const Settings& grid = stage.section("grid");
  const std::string key = key_given(grid);
  const bool any = has_grid(stage) || !key.empty();
  const Place where = has_grid(stage) || key.empty() ? grid.where("quantizers") : grid.where(key);
  if (any && !has_grid(stage))
    throw config_error(where,
                       fmt::format("the grid of stage '{}' has no quantizer", stage.text("name")),
                       "quantizers: [...]", "see 'bitwright list quantizers'");
  if (any && stage.text("kind") == "train")
    throw config_error(where, fmt::format("stage '{}' trains", stage.text("name")),
                       "a grid in a stage of kind: evaluate", "put it into a stage of its own");
  for (const char* axis : {"weight_bits", "activation_bits"})
    if (grid.integers(axis).empty())
      throw config_error(grid.where(axis), fmt::format("'{}' is empty", axis), "at least one width",
                         "32 stands for float");
  if (grid.reals("step_ratio").empty())
    throw config_error(grid.where("step_ratio"), "'step_ratio' is empty", "at least one ratio",
                       "1 leaves steps as they are");
}

static void check_widths(const Quantizer& quantizer, const Settings& grid, const char* axis) {
  const Widths widths = quantizer.widths();
  for (const std::int64_t bits : grid.integers(axis))
    if (bits != kFloatBits && (bits < widths.least || bits > widths.most))
      throw config_error(
          grid.where(axis),
          fmt::format("quantizer '{}' has no width of {} bits", quantizer.name(), bits),
          fmt::format("{} to {} bits, or 32 for float", widths.least, widths.most),
          "put quantizers of other widths into a stage of their own");
}

static std::vector<bool> switch_axis(const Settings& grid, const char* option) {
  const std::string& value = grid.text(option);
  if (value == "both") return {false, true};
  return {value == "with"};
}

static std::vector<int> widths_of(const Settings& grid, const char* axis) {
  const auto& bits = grid.integers(axis);
  return {bits.begin(), bits.end()};
}

GridOptions make_grid_options(const Registries& registries, const Settings& stage) {
  const Settings& grid = stage.section("grid");
  GridOptions options;
  for (const Settings& one : grid.sections("quantizers")) {
    options.quantizers.push_back(registries.quantizers.make(one));
    check_widths(*options.quantizers.back(), grid, "weight_bits");
  }
  const Settings& activations = grid.section("activation_quantizer");
  options.activations = registries.quantizers.make(activations);
  if (!options.activations->quantizes_activations())
    throw config_error(activations.where("name"),
                       fmt::format("'{}' quantizes weights only", activations.name()),
                       "a quantizer for activations, such as asymmetric");
  check_widths(*options.activations, grid, "activation_bits");
  options.weight_bits = widths_of(grid, "weight_bits");
  options.activation_bits = widths_of(grid, "activation_bits");
  options.bias_correction = switch_axis(grid, "bias_correction");
  options.power_of_two = switch_axis(grid, "power_of_two");
  options.step_ratio = grid.reals("step_ratio");
  options.kept = {grid.texts("keep_float"), grid.where("keep_float")};
  options.batch_norm_batches = stage.integer("reestimate_batch_norm");
  return options;
}

static GridAxis width_axis(const Settings& grid, const char* name, const char* description) {
  const auto& bits = grid.integers(name);
  return {name, "bits", description, {bits.begin(), bits.end()}, {}, true};
}

static GridAxis switch_axis(const Settings& grid, const char* name, const char* description) {
  GridAxis axis{name, "1", description, {}, {}, true};
  for (const bool on : switch_axis(grid, name)) axis.numbers.push_back(on ? 1 : 0);
  return axis;
}

ResultGrid grid_layout(const Settings& stage) {
  const Settings& grid = stage.section("grid");
  GridAxis quantizers{"quantizer", "1", "of weights", {}, {}};
  for (const Settings& one : grid.sections("quantizers"))
    quantizers.texts.push_back(one.text("label").empty() ? one.name() : one.text("label"));
  const bool test = grid.text("images") == "test";
  const std::string images = test ? "test images" : "validation images";
  std::string name = stage.text("name");
  std::ranges::replace(name, '/', '_');
  return {"/grids/" + name,
          {quantizers,
           width_axis(grid, "weight_bits", "of a weight; 32: float"),
           switch_axis(grid, "bias_correction", "1: means of output channels are kept"),
           width_axis(grid, "activation_bits", "of an activation; 32: float"),
           switch_axis(grid, "power_of_two", "1: steps are powers of two"),
           {"step_ratio", "1", "factor on every step and its clip", grid.reals("step_ratio"), {}}},
          {{"accuracy", "1", "top-1 on the " + images},
           {"loss", "nats", "mean cross-entropy on the " + images}}};
}

std::unique_ptr<EvaluationLoader> calibration_loader(const Settings& config,
                                                     const ExperimentData& data,
                                                     std::int64_t images) {
  return std::make_unique<EvaluationLoader>(
      data.train,
      calibration_images(data.split.train, images,
                         static_cast<std::uint64_t>(config.integer("seed"))),
      config.section("evaluation").integer("batch"), data.normalization,
      LoaderOptions{.type = resolve_precision(config)});
}

std::unique_ptr<GridObjects> make_grid(const Registries& registries, const Settings& config,
                                       const Settings& stage, const ExperimentData& data) {
  auto objects = std::make_unique<GridObjects>();
  objects->options = make_grid_options(registries, stage);
  objects->options.precision = resolve_precision(config);
  const Settings& grid = stage.section("grid");
  const std::int64_t batch = config.section("evaluation").integer("batch");
  const LoaderOptions options{.type = resolve_precision(config)};
  objects->images =
      grid.text("images") == "test"
          ? std::make_unique<EvaluationLoader>(data.test, batch, data.normalization, options)
          : std::make_unique<EvaluationLoader>(data.train, data.split.validation, batch,
                                               data.normalization, options);
  objects->calibration = calibration_loader(config, data, grid.integer("calibration_images"));
  return objects;
}

}  // namespace bitwright
