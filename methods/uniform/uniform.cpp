// Plain uniform quantization with straight-through gradients: ranges are observed, nothing about
// the quantizers is trained. The baseline of the other methods.

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <bitwright/core/registry.h>
#include <bitwright/quant/layer_rules.h>
#include <bitwright/train/rounded_weight.h>

#include "grids.h"

namespace bitwright {
namespace {

using namespace uniform_grid;

Kind kind_named(const std::string& name) {
  return name == "symmetric"    ? Kind::symmetric
         : name == "asymmetric" ? Kind::asymmetric
                                : Kind::ternary;
}

// The range of a layer's input: an exponential moving average of the batches' extremes.
class InputRange {
 public:
  InputRange(std::string name, const GridRule& rule, double momentum)
      : layer(std::move(name)), rule_(rule), momentum_(static_cast<float>(momentum)) {}

  std::shared_ptr<const Grid> grid() const { return grid_; }
  float low() const { return range_.f32()[0]; }
  float high() const { return range_.f32()[1]; }

  void follow(const Tensor& batch) {
    const Extremes now = extremes(batch)[0];
    if (!std::isfinite(now.low) || !std::isfinite(now.high)) return;
    const float share = known() ? momentum_ : 1;
    range_.f32()[0] += share * (now.low - low());
    range_.f32()[1] += share * (now.high - high());
    set_grid();
  }

  void visit(StateVisitor& visitor) {
    visitor.tensor(layer, range_);
    set_grid();
  }

  std::string layer;

 private:
  bool known() const { return low() != 0 || high() != 0; }
  void set_grid() {
    grid_->rows.clear();
    if (known()) grid_->rows.push_back(row_over({low(), high()}, rule_));
  }

  GridRule rule_;
  float momentum_;
  Tensor range_ = Tensor::zeros(Shape{2});  ///< 0, 0: no batch was seen
  std::shared_ptr<Grid> grid_ = std::make_shared<Grid>();
};

class Uniform final : public Method {
 public:
  explicit Uniform(const Settings& settings)
      : rules_(settings),
        weight_kind_(kind_named(settings.text("weight_grid"))),
        input_kind_(kind_named(settings.text("activation_grid"))),
        per_channel_(settings.text("weight_granularity") == "channel"),
        power_of_two_(settings.boolean("power_of_two")),
        momentum_(settings.real("activation_momentum")),
        weight_estimator_(estimator_named(settings.text("weight_estimator"))),
        input_estimator_(estimator_named(settings.text("activation_estimator"))),
        kind_where_(settings.where("weight_grid")),
        input_kind_where_(settings.where("activation_grid")),
        estimator_where_(settings.where("weight_estimator")) {}

  std::string_view name() const override { return "uniform"; }

  void attach(const StageInfo& stage) override {
    rules_.attach(*stage.network);
    check();
    for (const LayerBits& layer : rules_.layers())
      if (layer.activation != kFloatBits)
        inputs_.push_back(std::make_unique<InputRange>(
            layer.layer, GridRule{input_kind_, layer.activation, false, power_of_two_}, momentum_));
  }

  std::unique_ptr<WeightTransform> transform(const Parameter& parameter) override {
    const int bits = rules_.weight_bits(parameter);
    if (bits == kFloatBits) return nullptr;
    const bool ternary = weight_kind_ == Kind::ternary && bits == 2;
    const Kind kind = ternary                         ? Kind::ternary
                      : weight_kind_ == Kind::ternary ? Kind::symmetric
                                                      : weight_kind_;
    const GridRule rule{kind, bits, per_channel_, power_of_two_};
    const auto grid = std::make_shared<Grid>();
    auto weight = std::make_unique<RoundedWeight>(
        parameter, bits,
        [rule, grid, estimator = weight_estimator_](const Variable& w) {
          return fake_quantize(w, grid, estimator,
                               [=](const Tensor& now) { set_grid(now, rule, *grid); });
        },
        [rule](const Tensor& w) {
          Grid now;
          set_grid(w, rule, now);
          return code_on_grid(w, now);
        });
    weights_.push_back({parameter.layer, rule, weight.get()});
    return weight;
  }

  Variable layer_input(Forward& forward, const Layer& layer, const Variable& x) override {
    if (rules_.activation_bits(layer) == kFloatBits) return x;
    InputRange* const input =
        std::ranges::find(inputs_, layer.name(), [](const auto& i) { return i->layer; })->get();
    Observe follow;
    if (!forward.deployed) follow = [input](const Tensor& batch) { input->follow(batch); };
    return fake_quantize(x, input->grid(), input_estimator_, follow);
  }

  std::vector<MetricDeclaration> metrics(const Network& network) const override {
    const std::vector<LayerBits> layers = rules_.resolve(network);
    std::vector<MetricDeclaration> list;
    if (const auto names = with_quantized_weights(layers); !names.empty())
      list.push_back({"weight_scale", "1", "scale of the weights, mean over channels", names});
    if (const auto names = with_quantized_activations(layers); !names.empty()) {
      list.push_back({"activation_low", "1", "lower end of the range of the layer's input", names});
      list.push_back(
          {"activation_high", "1", "upper end of the range of the layer's input", names});
    }
    return list;
  }

  std::vector<double> measure() override {
    std::vector<double> values;
    for (const LayerBits& layer : rules_.layers()) {
      if (layer.weight == kFloatBits) continue;
      const auto at = std::ranges::find(weights_, layer.layer, &Weight::layer);
      values.push_back(at == weights_.end() ? 0 : at->mean_scale());  // none: held by the stage
    }
    for (const auto& input : inputs_) values.push_back(static_cast<double>(input->low()));
    for (const auto& input : inputs_) values.push_back(static_cast<double>(input->high()));
    return values;
  }

  void visit(StateVisitor& visitor) override {
    const StateScope scope(visitor, "ranges");
    for (const auto& input : inputs_) input->visit(visitor);
  }

 private:
  struct Weight {
    std::string layer;
    GridRule rule;
    RoundedWeight* weight;  // owned by the caller of transform

    double mean_scale() const {
      Grid grid;
      set_grid(weight->master(), rule, grid);
      double sum = 0;
      for (const Grid::Row& row : grid.rows) sum += static_cast<double>(row.scale);
      return sum / static_cast<double>(grid.rows.size());
    }
  };

  // What the layers' bits rule out.
  void check() const {
    const auto& layers = rules_.layers();
    const auto some = [&](const auto& f) { return std::ranges::any_of(layers, f); };
    if (weight_kind_ == Kind::ternary && !some([](const auto& l) { return l.weight == 2; }))
      throw config_error(kind_where_, "no layer has the 2 bits of a ternary weight",
                         "weight_bits: 2 for some layer");
    if (weight_estimator_ == Estimator::polynomial &&
        some([](const auto& l) { return l.weight != 1 && l.weight != kFloatBits; }))
      throw config_error(estimator_where_, "the polynomial estimator stands in for a sign",
                         "weight_bits: 1, in all layers that are not float",
                         "choose identity or clipped");
    if (input_kind_ == Kind::symmetric && some([](const auto& l) { return l.activation == 1; }))
      throw config_error(input_kind_where_, "a symmetric grid of 1 bit has no scale of its own",
                         "activation_grid: asymmetric, or 2 bits and more");
  }

  LayerRules rules_;
  Kind weight_kind_, input_kind_;
  bool per_channel_, power_of_two_;
  double momentum_;
  Estimator weight_estimator_, input_estimator_;
  Place kind_where_, input_kind_where_, estimator_where_;
  std::vector<Weight> weights_;
  std::vector<std::unique_ptr<InputRange>> inputs_;
};

Options options() {
  Options o;
  LayerRules::declare(o,
                      {.weight = 8, .activation = 8, .first_last = 8, .may_quantize_image = true});
  o.choice("weight_grid", {"symmetric", "asymmetric", "ternary"}, "symmetric",
           "levels of the weights; 1 bit is always a sign; ternary: weights of 2 bits are -s, 0 or "
           "s (arXiv:1605.04711), others symmetric");
  o.choice("weight_granularity", {"tensor", "channel"}, "tensor",
           "one scale per weight tensor, or per output channel");
  o.boolean("power_of_two", false, "round scales to powers of two");
  o.choice("activation_grid", {"asymmetric", "symmetric"}, "asymmetric",
           "levels of the layers' inputs: over [min, max] with a zero point, or around 0");
  o.real("activation_momentum", 0.1,
         "share of the newest batch in the moving average of an input's extremes")
      .above(0)
      .max(1);
  o.choice("weight_estimator", estimator_names(), "identity",
           "what stands in for the gradient of rounding: dy; dy inside the range; dy (2 - 2 |w / "
           "s|) of signs");
  o.choice("activation_estimator", {"identity", "clipped"}, "clipped", "the same for inputs");
  return o;
}

}  // namespace

void register_uniform(Registries& registries) {
  registries.methods.add(
      {"uniform",
       "plain uniform quantizers over observed ranges, straight-through gradients; also signs, "
       "ternary weights and power-of-two scales",
       "", options()},
      [](const Settings& settings) { return std::make_unique<Uniform>(settings); });
}

}  // namespace bitwright
