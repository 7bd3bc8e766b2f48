// Cluster-Promoting Quantization with Bit-Drop (Lee, Yun, Hwang, Yang; ICCV 2021,
// arXiv:2109.02100): weights and activations on grids with a learned interval alpha, trained
// through the masses that a logistic distribution with scale sigma gives to the cells, and bits of
// the weight grid that are dropped at random. Relaxed Quantization (arXiv:1810.01875) and a plain
// straight-through estimator on the same grid are arms of the same plugin.

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <bitwright/core/registry.h>
#include <bitwright/quant/layer_rules.h>
#include <bitwright/quant/selection.h>
#include <bitwright/train/method.h>

#include "weight.h"

namespace bitwright {
namespace {

using namespace bit_drop;

struct Configuration {
  GridQuantizer weights, activations;  // grids of 0 bits: stay float
  DropBits drop = DropBits::none;
  HardConcrete law;
  double ln_a = 0;     // initial, or that of keep_prob
  double penalty = 0;  // lambda
  bool by_parameters = false;
  Bounds bounds;
  Rates rates;
};

bool given(const Settings& settings, std::string_view option) {
  return settings.has(option) && settings.where(option).file != "default";
}

// An option that the chosen arm does not read is a misunderstanding, not a detail.
void refuse_unread(const Settings& settings, std::initializer_list<std::string_view> options,
                   std::string_view arm) {
  for (std::string_view option : options)
    if (given(settings, option))
      throw config_error(settings.where(option), fmt::format("{} is not read by {}", option, arm),
                         fmt::format("no {} beside {}", option, arm), "remove the key");
}

int bits_from(const Settings& settings, std::string_view option) {
  const auto bits = static_cast<int>(settings.integer(option));
  if (bits == kFloatBits) return 0;
  if (bits > kMostBits)
    throw config_error(settings.where(option), fmt::format("{} is {}", option, bits),
                       "2 to 8 bits, or 32 for float");
  return bits;
}

GridQuantizer estimator_from(const Settings& settings) {
  GridQuantizer q;
  const std::string& estimator = settings.text("estimator");
  q.estimator = estimator == "cpq"     ? Estimator::cpq
                : estimator == "rq"    ? Estimator::rq
                : estimator == "rq_st" ? Estimator::rq_st
                                       : Estimator::ste;
  q.backward = settings.text("ste") == "all_classes" ? Backward::all_classes : Backward::mode_only;
  q.truncate = settings.boolean("truncate");
  q.temperature = settings.real("temperature");
  const std::string arm = "estimator " + estimator;
  if (q.estimator != Estimator::cpq) refuse_unread(settings, {"ste", "truncate"}, arm);
  if (q.estimator == Estimator::cpq || q.estimator == Estimator::ste)
    refuse_unread(settings, {"temperature"}, arm);
  return q;
}

DropBits drop_bits_from(const Settings& settings) {
  const std::string& drop = settings.text("drop_bits");
  return drop == "none"      ? DropBits::none
         : drop == "fixed"   ? DropBits::fixed
         : drop == "learned" ? DropBits::learned
                             : DropBits::heterogeneous;
}

HardConcrete law_from(const Settings& settings) {
  return {settings.real("gate_low"), settings.real("gate_high"), settings.real("gate_temperature")};
}

void check_drop_bits(const Settings& settings, const Configuration& c) {
  const std::string arm = "drop_bits " + settings.text("drop_bits");
  if (c.drop == DropBits::none)
    refuse_unread(settings, {"gate_low", "gate_high", "gate_temperature"}, arm);
  if (c.drop != DropBits::fixed) refuse_unread(settings, {"keep_prob"}, arm);
  if (c.drop == DropBits::none || c.drop == DropBits::fixed)
    refuse_unread(settings, {"gate_init", "gate_rate"}, arm);
  if (c.drop != DropBits::heterogeneous)
    refuse_unread(settings, {"penalty", "weight_by_params"}, arm);
  if (c.drop == DropBits::none) return;
  if (c.weights.estimator != Estimator::cpq)
    throw config_error(settings.where("drop_bits"),
                       fmt::format("{} with estimator {}", arm, settings.text("estimator")),
                       "masks on the cell masses of estimator cpq", "drop_bits: none");
  if (c.weights.grid.bits == 0)
    throw config_error(settings.where("drop_bits"), arm + " with float weights",
                       "a weight grid whose bits can be dropped", "drop_bits: none");
  if (!c.weights.truncate)
    throw config_error(settings.where("truncate"), arm + " without truncation",
                       "masked masses, which are normalised over what is left of the grid",
                       "truncate: true or drop_bits: none");
}

Configuration configuration_from(const Settings& settings) {
  Configuration c;
  c.weights = c.activations = estimator_from(settings);
  c.weights.grid = {bits_from(settings, "weight_bits"), true};
  c.activations.grid = {bits_from(settings, "activation_bits"), false};
  if (c.weights.grid.bits == 0 && c.activations.grid.bits == 0)
    throw config_error(settings.where("weight_bits"), "weights and activations both stay float",
                       "at least one of weight_bits and activation_bits below 32");
  c.drop = drop_bits_from(settings);
  check_drop_bits(settings, c);
  c.law = law_from(settings);
  c.ln_a = c.drop == DropBits::fixed ? c.law.location(settings.real("keep_prob"))
                                     : settings.real("gate_init");
  c.penalty = settings.real("penalty");
  c.by_parameters = settings.boolean("weight_by_params");
  c.bounds = {settings.real("sigma_floor"), settings.real("sigma_init")};
  if (c.bounds.sigma_start < c.bounds.sigma_ratio)
    throw config_error(settings.where("sigma_init"), "sigma_init is below sigma_floor",
                       "sigma_floor or more");
  c.rates = {settings.real("scale_rate"), settings.real("gate_rate")};
  return c;
}

class BitDrop final : public Method {
 public:
  explicit BitDrop(const Settings& settings)
      : c_(configuration_from(settings)),
        selection_(settings, "exclude"),
        activations_where_(settings.where("activation_bits")),
        place_(settings.place()) {}

  std::string_view name() const override { return "bit_drop"; }

  void attach(const StageInfo& stage) override {
    seed_ = stage.seed;
    selection_.check(*stage.network);
    for (const Parameter& p : stage.network->parameters()) {
      if (quantizes_input(p)) add_input(p.layer);
      if (quantizes_weight(p)) total_ += static_cast<double>(p.value.numel());
    }
    if (total_ == 0 && inputs_.empty())
      throw config_error(place_, "bit_drop has nothing to quantize in this network",
                         "a convolution or linear layer that is not excluded");
  }

  std::unique_ptr<WeightTransform> transform(const Parameter& parameter) override {
    if (!quantizes_weight(parameter)) return nullptr;
    auto weight = std::make_unique<GridWeight>(parameter, site(parameter.name, c_.weights), c_.drop,
                                               c_.ln_a, c_.rates);
    weights_.emplace_back(parameter.layer, weight.get());
    return weight;
  }

  std::vector<TrainedTensor> trained() override {
    std::vector<TrainedTensor> all;
    for (const auto& [layer, input] : inputs_) {
      all.push_back({layer + ".alpha", input->alpha, {c_.rates.scales, 0}, kSmallestStep});
      all.push_back({layer + ".sigma", input->sigma, {c_.rates.scales, 0}});
    }
    return all;
  }

  Variable layer_input(Forward& forward, const Layer& layer, const Variable& x) override {
    const auto found = std::ranges::find(inputs_, layer.name(), &Input::first);
    if (found == inputs_.end()) return x;
    Site& input = *found->second;
    return quantized(found->second, x,
                     {forward.trained(input.alpha), forward.trained(input.sigma), {}},
                     forward.deployed);
  }

  // lambda sum over layers and k of P(z_k != 0), each layer's sum times its share of the weights
  // when those count.
  std::vector<LossTerm> loss_terms(Forward&) override {
    if (c_.drop != DropBits::heterogeneous || c_.penalty == 0) return {};
    penalty_ = {};
    for (const auto& [layer, weight] : weights_) {
      if (!weight->gates().defined()) continue;
      const double share = c_.by_parameters ? static_cast<double>(weight->numel()) / total_ : 1.0;
      const Variable term =
          scale(sum(sigmoid(shift(weight->gates(), c_.law.shift()))), c_.penalty * share);
      penalty_ = penalty_.defined() ? add(penalty_, term) : term;
    }
    return {{"bit_penalty", penalty_}};
  }

  void before_step(const StepInfo& info) override { step_.set(static_cast<double>(info.step)); }

  void after_update(const StepInfo&) override {
    for (auto& [layer, weight] : weights_) weight->site().constrain();
    for (auto& [layer, input] : inputs_)
      if (input->initialized != 0) input->constrain();
  }

  std::vector<MetricDeclaration> metrics(const Network& network) const override;
  std::vector<double> measure() override;

  void visit(StateVisitor& visitor) override {
    const StateScope scope(visitor, "inputs");
    for (auto& [layer, input] : inputs_) visitor.integer(layer, input->initialized);
  }

 private:
  using Input = std::pair<std::string, std::shared_ptr<Site>>;

  bool quantizes(const Parameter& p) const {
    return (p.kind == ParameterKind::conv_weight || p.kind == ParameterKind::linear_weight) &&
           selection_.selects(p);
  }
  bool quantizes_weight(const Parameter& p) const {
    return c_.weights.grid.bits > 0 && quantizes(p);
  }
  // The first layer's input is the image.
  bool quantizes_input(const Parameter& p) const {
    return c_.activations.grid.bits > 0 && !p.first_layer && quantizes(p);
  }

  std::shared_ptr<Site> site(const std::string& name, const GridQuantizer& quantizer) const {
    auto made = std::make_shared<Site>(name, quantizer);
    made->bounds = c_.bounds;
    made->law = c_.law;
    made->seed = seed_;
    made->step = step_;
    return made;
  }

  // Until the first batch has been seen, a grid up to 4, far beyond most normalised activations.
  void add_input(const std::string& layer) {
    auto input = site(layer + ".input", c_.activations);
    input->where = activations_where_;
    input->start(4.0 / c_.activations.grid.last());
    input->initialized = 0;
    inputs_.emplace_back(layer, std::move(input));
  }

  Configuration c_;
  ParameterSelection selection_;
  Place activations_where_, place_;
  std::uint64_t seed_ = 0;
  Scalar step_ = 0;
  double total_ = 0;                                          // quantized weights of the network
  std::vector<std::pair<std::string, GridWeight*>> weights_;  // owned by the caller of transform
  std::vector<Input> inputs_;
  Variable penalty_;
};

std::vector<MetricDeclaration> BitDrop::metrics(const Network& network) const {
  std::vector<std::string> weights, inputs;
  for (const Parameter& p : network.parameters()) {
    if (quantizes_weight(p)) weights.push_back(p.layer);
    if (quantizes_input(p)) inputs.push_back(p.layer);
  }
  std::vector<MetricDeclaration> list;
  if (!weights.empty()) {
    list = {{"average_bits", "bits", "bits per quantized weight as exported"},
            {"bits", "bits", "bits b of the exported weight grid", weights},
            {"weight_alpha", "1", "interval alpha of the weight grid", weights},
            {"weight_sigma_ratio", "1", "sigma / alpha of the weight quantizer", weights},
            {"cohesion", "1", "mean |clip(W) - Q(W)| / alpha; 0.25 when spread evenly", weights},
            {"weight_clipped", "1", "fraction of weights beyond the cells of the grid", weights}};
    if (c_.drop != DropBits::none)
      for (int k = 2; k <= c_.weights.grid.bits; ++k)
        list.push_back({fmt::format("keep_probability_{}", k), "1",
                        fmt::format("P(z_{0} != 0) of the gate of level {0}", k), weights});
    if (c_.drop == DropBits::heterogeneous)
      list.push_back({"bit_penalty", "nats", "lambda times the sum of P(z_k != 0), in the loss"});
  }
  if (!inputs.empty()) {
    list.push_back({"activation_alpha", "1", "interval alpha of the layer's input grid", inputs});
    list.push_back({"activation_sigma_ratio", "1", "sigma / alpha of the layer's input", inputs});
    list.push_back({"activation_clipped", "1",
                    "fraction of the last training batch beyond the cells of the grid", inputs});
  }
  return list;
}

std::vector<double> BitDrop::measure() {
  std::vector<double> values;
  const auto each = [&values](auto& sites, const auto& number) {
    for (auto& [layer, site] : sites) values.push_back(number(*site));
  };
  const auto ratio = [](const Site& s) {
    return static_cast<double>(s.sigma.item()) / static_cast<double>(s.alpha.item());
  };
  if (!weights_.empty()) {
    double bits = 0;
    for (auto& [layer, weight] : weights_)
      bits += weight->bits() * static_cast<double>(weight->numel());
    values.push_back(bits / total_);
    std::map<const GridWeight*, Statistics> statistics;
    for (auto& [layer, weight] : weights_) statistics[weight] = weight->statistics();
    each(weights_, [](GridWeight& w) { return w.bits(); });
    each(weights_, [](GridWeight& w) { return static_cast<double>(w.site().alpha.item()); });
    each(weights_, [&](GridWeight& w) { return ratio(w.site()); });
    each(weights_, [&](GridWeight& w) { return statistics[&w].cohesion; });
    each(weights_, [&](GridWeight& w) { return statistics[&w].clipped; });
    if (c_.drop != DropBits::none)
      for (std::size_t k = 0; k + 1 < static_cast<std::size_t>(c_.weights.grid.bits); ++k)
        each(weights_, [&, k](GridWeight& w) {
          return c_.law.probability(static_cast<double>(w.site().ln_a.values()[k]));
        });
    if (c_.drop == DropBits::heterogeneous)
      values.push_back(penalty_.defined() ? static_cast<double>(penalty_.value().item()) : 0.0);
  }
  if (!inputs_.empty()) {
    each(inputs_, [](Site& s) { return static_cast<double>(s.alpha.item()); });
    each(inputs_, [&](Site& s) { return ratio(s); });
    each(inputs_, [](Site& s) {
      return static_cast<double>(s.outside) /
             static_cast<double>(std::max<std::int64_t>(s.values, 1));
    });
  }
  return values;
}

void declare_grids(Options& o) {
  o.integer("weight_bits", 3, "bits of weights, 2 to 8; 32: they stay float")
      .symbol("b")
      .unit("bits")
      .min(2)
      .max(kFloatBits);
  o.integer("activation_bits", 3,
            "bits of the inputs of all layers but the first, 2 to 8; 32: they stay float")
      .symbol("b")
      .unit("bits")
      .min(2)
      .max(kFloatBits);
  o.choice("estimator", {"cpq", "rq", "rq_st", "ste"}, "cpq",
           "cpq: the mode of pi, multi-class straight-through; rq: softened sample; rq_st: hard "
           "sample, softened backward; ste: rounding that passes gradients on");
  o.choice("ste", {"all_classes", "mode_only"}, "all_classes",
           "what cpq hands to pi: dL/dxhat g_i for all points, or for the mode alone; which of the "
           "two the paper means is not known to us");
  o.boolean("truncate", true,
            "normalise pi over the grid; false: gradients turn negative beyond it");
  o.real("temperature", 1.0, "of the samples of rq and rq_st; our choice")
      .symbol("lambda_T")
      .above(0);
}

void declare_drop_bits(Options& o) {
  o.choice("drop_bits", {"none", "fixed", "learned", "heterogeneous"}, "learned",
           "gates on the bits of weight grids: none; drawn with keep_prob; learned, the whole grid "
           "being deployed; learned under a penalty, deciding each layer's bits");
  o.real("keep_prob", 0.8, "P(z != 0) of every gate with drop_bits fixed; our choice")
      .min(0.05)
      .max(0.995);
  o.real("gate_init", 2.0, "initial ln a with drop_bits learned or heterogeneous; our choice")
      .symbol("ln a")
      .min(-4.6)
      .max(4.6);
  o.real("penalty", 0.03, "weight of the sum of P(z_k != 0) in the loss; our choice")
      .symbol("lambda")
      .min(0);
  o.boolean("weight_by_params", false,
            "a layer's penalty times its share of the quantized weights");
  o.real("gate_low", -0.1, "lower end of the stretched interval; from the published L0 code")
      .symbol("gamma")
      .min(-10)
      .max(-1e-3);
  o.real("gate_high", 1.1, "upper end of the stretched interval; from the published L0 code")
      .symbol("zeta")
      .min(1.001)
      .max(10);
  o.real("gate_temperature", 2.0 / 3, "of the concrete distribution; from the published L0 code")
      .symbol("beta")
      .above(0)
      .max(10);
}

Options options() {
  Options o;
  declare_grids(o);
  declare_drop_bits(o);
  o.real("sigma_init", 1.0 / 3, "initial sigma / alpha").symbol("sigma").above(0).max(10);
  o.real("sigma_floor", 0.05, "least sigma / alpha; our choice").min(0.05).max(10);
  o.real("scale_rate", 0.1,
         "learning rate of alpha and sigma as a factor of the optimizer's; our choice")
      .min(0);
  o.real("gate_rate", 10.0, "learning rate of ln a as a factor of the optimizer's; our choice")
      .min(0);
  ParameterSelection::declare(
      o, {}, "also the inputs of their layers; biases and batch norm are always float");
  return o;
}

}  // namespace

void register_bit_drop(Registries& registries) {
  registries.methods.add(
      {"bit_drop",
       "weights and activations on learned grids through cell probabilities (CPQ), with bits "
       "dropped at random (DropBits) or learned per layer",
       "arXiv:2109.02100", options()},
      [](const Settings& settings) { return std::make_unique<BitDrop>(settings); });
}

}  // namespace bitwright
