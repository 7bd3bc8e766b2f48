// KURE (Shkolnik, Chmiel, Banner, Shomron, Nahshan, Bronstein, Weiser: Robust Quantization: One
// Model to Rule Them All; NeurIPS 2020, arXiv:2002.07686). The loss gets a term that pulls the
// kurtosis of every weight tensor to that of a uniform distribution,
//   L = L_task + lambda L_K,   L_K = 1/L sum_l (Kurt(W_l) - K_T)^2,
// so that one set of weights survives many quantizers. Nothing is quantized here.

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <bitwright/core/glob.h>
#include <bitwright/core/registry.h>
#include <bitwright/train/method.h>

#include "kurtosis_term.h"

namespace bitwright {
namespace {

using kure::Mode;

bool matches(const std::vector<std::string>& patterns, const Parameter& parameter) {
  return std::ranges::any_of(
      patterns, [&](const std::string& pattern) { return glob_match(pattern, parameter.name); });
}

kure::TermOptions term_options(const Settings& settings) {
  const std::string& mode = settings.text("mode");
  return {.mode = mode == "avg"   ? Mode::avg
                  : mode == "sum" ? Mode::sum
                                  : Mode::max,
          .target = settings.real("target"),
          .lambda = settings.real("lambda"),
          .ddof = static_cast<int>(settings.integer("ddof"))};
}

class RobustQuantization final : public Method {
 public:
  explicit RobustQuantization(const Settings& settings)
      : term_(term_options(settings)),
        weights_(settings.texts("weights")),
        except_(settings.texts("except")),
        weights_place_(settings.where("weights")),
        except_place_(settings.where("except")) {}

  std::string_view name() const override { return "robust_quantization"; }

  void attach(const StageInfo& stage) override {
    check_patterns(*stage.network, weights_, weights_place_);
    check_patterns(*stage.network, except_, except_place_);
    for (const Parameter& p : stage.network->parameters())
      if (regularized(p)) layers_.push_back({&p, {}, p.value});
    if (layers_.empty())
      throw config_error(weights_place_, "no weight is regularised",
                         "a network with convolutions beside its first one, or patterns",
                         "such as weights: [\"*.weight\"]");
  }

  void weight_traced(Forward&, const Parameter& parameter, const Variable& master,
                     const Variable&) override {
    const auto layer = std::ranges::find(layers_, &parameter, &Layer::parameter);
    if (layer == layers_.end()) return;
    layer->traced = master;
    layer->master = master.value();  // of an inner value there is none before the tape is planned
  }

  // With lambda = 0 the step stays exactly what it is without the method.
  std::vector<LossTerm> loss_terms(Forward&) override {
    if (term_.lambda == 0) return {};
    std::vector<Variable> weights;
    for (const Layer& layer : layers_) weights.push_back(layer.traced);
    value_ = kure::kurtosis_term(term_, weights, kurtosis_);
    return {{"kurtosis", value_}};
  }

  std::vector<MetricDeclaration> metrics(const Network& network) const override {
    std::vector<std::string> layers;
    for (const Parameter& p : network.parameters())
      if (regularized(p)) layers.push_back(p.name);
    return {{"kurtosis_loss", "1", "lambda L_K, in the last step's loss"},
            {"kurtosis", "1", "Kurt(W_l) of the float weights; 1.8: uniform, 3: normal", layers}};
  }

  std::vector<double> measure() override {
    std::vector<double> all{value_.defined() ? static_cast<double>(value_.value().item()) : 0};
    for (std::size_t l = 0; l < layers_.size(); ++l) all.push_back(kurtosis(l));
    return all;
  }

 private:
  struct Layer {
    const Parameter* parameter = nullptr;
    Variable traced;  // W_l of the step
    Tensor master;    // its contents; undefined where it is computed on the tape
  };

  bool regularized(const Parameter& p) const {
    if (matches(except_, p)) return false;
    if (!weights_.empty()) return matches(weights_, p);
    return p.kind == ParameterKind::conv_weight && !p.first_layer;
  }

  double kurtosis(std::size_t l) {
    if (layers_[l].master.defined())
      return meter_.measure(std::as_const(layers_[l].master).values()).kurtosis(term_.ddof);
    return kurtosis_->empty() ? std::numeric_limits<double>::quiet_NaN() : (*kurtosis_)[l];
  }

  static void check_patterns(const Network& network, const std::vector<std::string>& patterns,
                             const Place& where) {
    for (const std::string& pattern : patterns)
      if (std::ranges::none_of(network.parameters(),
                               [&](const Parameter& p) { return matches({pattern}, p); }))
        throw config_error(where, fmt::format("pattern '{}' matches no parameter", pattern),
                           "a name such as " + network.parameters().front().name);
  }

  const kure::TermOptions term_;
  const std::vector<std::string> weights_, except_;
  const Place weights_place_, except_place_;
  std::vector<Layer> layers_;
  std::shared_ptr<std::vector<double>> kurtosis_ = std::make_shared<std::vector<double>>();
  Variable value_;
  MomentMeter meter_;
};

Options options() {
  return Options{}
      .real("target", 1.8,
            "kurtosis that the weights are pulled to; 1.8 is that of a uniform tensor")
      .symbol("K_T")
      .min(1)
      .real("lambda", 1, "weight of the term; 0: it is only measured")
      .symbol("lambda")
      .min(0)
      .choice("mode", {"avg", "sum", "max"}, "avg",
              "of the layers' terms: their mean as in the paper, their sum, or the largest")
      .integer("ddof", 1,
               "degrees of freedom taken from the standard deviation in Kurt: 1 as the published "
               "code, 0 for the population's")
      .min(0)
      .max(1)
      .texts("weights", {},
             "name patterns (* and ?) of what is regularised; empty: the weights of all "
             "convolutions but the first layer's")
      .texts("except", {}, "name patterns of what of these is left alone");
}

}  // namespace

void register_robust_quantization(Registries& registries) {
  registries.methods.add(
      {"robust_quantization",
       "KURE: pulls the kurtosis of weights to that of a uniform tensor; composes with quantizers",
       "arXiv:2002.07686", options()},
      [](const Settings& settings) { return std::make_unique<RobustQuantization>(settings); });
}

}  // namespace bitwright
