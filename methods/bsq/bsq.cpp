// BSQ: Exploring Bit-Level Sparsity for Mixed-Precision Neural Network Quantization (Yang, Duan,
// Chen, Li; ICLR 2021, arXiv:2102.10462). Every bit of a weight is a float that is trained; a group
// lasso empties whole bit planes of a layer, which then loses a bit. Afterwards the weights are
// fine-tuned with the widths that were found.

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <bitwright/core/registry.h>
#include <bitwright/quant/selection.h>
#include <bitwright/train/method.h>

#include "activation.h"
#include "precision_map.h"
#include "size.h"
#include "weights.h"

namespace bitwright {
namespace {

using namespace bsq;

enum class Phase { planes, fine_tune };

class Bsq final : public Method {
 public:
  explicit Bsq(const Settings& settings);

  std::string_view name() const override { return "bsq"; }
  void attach(const StageInfo& stage) override;
  std::unique_ptr<WeightTransform> transform(const Parameter& parameter) override;
  std::vector<TrainedTensor> trained() override { return activations_.trained(); }
  Variable layer_output(Forward& forward, const Layer& layer, const Variable& y) override {
    return activations_.quantize(forward, layer, y);
  }
  std::vector<LossTerm> loss_terms(Forward& forward) override;

  void after_update(const StepInfo&) override {
    for (QuantizedWeight* weight : weights_) weight->after_update();
  }
  // The end of epoch e is the beginning of epoch e + 1; that of epoch 0 is part of the conversion.
  void after_epoch(const StepInfo& info) override {
    if ((info.epoch + 1) % interval_ == 0) adjust();
  }
  void finish(const StepInfo&) override { adjust(); }
  bool rewritten(const Parameter& parameter) override { return restart_.erase(parameter.name) > 0; }

  HandedOver hand_over() const override;
  std::vector<MetricDeclaration> metrics(const Network& network) const override;
  std::vector<double> measure() override;
  void visit(StateVisitor& visitor) override;
  void visit_deployed(StateVisitor& visitor) override { activations_.visit(visitor); }

 private:
  bool selects(const Parameter& parameter) const;
  std::vector<std::string> tensors(const Network& network) const;
  void choose_precisions();
  void adjust();

  Phase phase_;
  PlaneOptions planes_;
  std::int64_t interval_;
  std::string biases_;
  ParameterSelection selection_;
  PrecisionMap map_;
  Place place_;
  Activations activations_;
  std::shared_ptr<LassoStrength> strength_ = std::make_shared<LassoStrength>();

  StageInfo stage_;
  std::map<std::string, Precision> precisions_;  // of phase fine_tune
  std::vector<QuantizedWeight*> weights_;        // owned by the caller of transform
  std::set<std::string> restart_;                // parameters whose moments are to be forgotten
  Variable lasso_;
};

Bsq::Bsq(const Settings& s)
    : phase_(s.text("phase") == "planes" ? Phase::planes : Phase::fine_tune),
      planes_{static_cast<int>(s.integer("initial_bits")), static_cast<int>(s.integer("most_bits")),
              s.real("scale_rate")},
      interval_(s.integer("interval")),
      biases_(s.text("biases")),
      selection_(s, "exclude"),
      map_(s),
      place_(s.place()),
      activations_(s) {
  if (planes_.initial_bits > planes_.most_bits)
    throw config_error(s.where("initial_bits"),
                       fmt::format("initial_bits is {}", planes_.initial_bits),
                       fmt::format("at most most_bits, {}", planes_.most_bits));
  if (phase_ == Phase::planes && map_.given())
    throw config_error(s.where(s.texts("bits").empty() ? "bits_from" : "bits"),
                       "the widths are given, and looked for",
                       "phase: fine_tune, or no precision map");
  if (phase_ == Phase::planes && !s.has("alpha"))
    throw config_error(
        s.place(), "alpha is missing",
        "the strength of the lasso, 3e-3 to 2e-2 for 137,000 updates of a ResNet-20");
  if (s.has("alpha")) strength_->alpha = s.real("alpha");
  strength_->reweigh = s.boolean("reweigh");
}

bool Bsq::selects(const Parameter& p) const {
  const bool weight =
      p.kind == ParameterKind::conv_weight || p.kind == ParameterKind::linear_weight;
  const bool bias =
      p.kind == ParameterKind::bias && (biases_ == "all" || (biases_ == "last" && p.last_layer));
  return (weight || bias) && selection_.selects(p);
}

std::vector<std::string> Bsq::tensors(const Network& network) const {
  std::vector<std::string> names;
  for (const Parameter& p : network.parameters())
    if (selects(p)) names.push_back(p.name);
  return names;
}

void Bsq::attach(const StageInfo& stage) {
  stage_ = stage;
  selection_.check(*stage.network);
  activations_.attach(stage);
  if (phase_ == Phase::fine_tune) choose_precisions();
}

// Given widths come with scales of their own, max |W|; those that an earlier stage found, with its.
void Bsq::choose_precisions() {
  const std::vector<std::string> names = tensors(*stage_.network);
  if (map_.given()) {
    const std::vector<int> bits = map_.bits_of(names);
    for (std::size_t i = 0; i < names.size(); ++i) precisions_[names[i]] = {bits[i], 0};
    return;
  }
  for (const std::string& name : names) {
    const auto bits = stage_.handed_over.find(name + ".bits");
    const auto scale = stage_.handed_over.find(name + ".scale");
    if (bits == stage_.handed_over.end() || scale == stage_.handed_over.end())
      throw config_error(place_, fmt::format("nothing says how many bits '{}' has", name),
                         "an earlier stage with method bsq that quantizes it, or a precision map",
                         "add that stage, bits or bits_from");
    precisions_[name] = {static_cast<int>(bits->second),
                         stage_.fresh_weights ? 0 : static_cast<float>(scale->second)};
  }
}

std::unique_ptr<WeightTransform> Bsq::transform(const Parameter& parameter) {
  if (!selects(parameter)) return nullptr;
  std::unique_ptr<QuantizedWeight> weight;
  if (phase_ == Phase::planes) {
    strength_->all_elements += parameter.value.numel();
    weight = make_plane_weight(parameter, planes_, strength_);
  } else {
    weight = make_frozen_weight(parameter, precisions_.at(parameter.name), planes_.scale_rate);
  }
  weights_.push_back(weight.get());
  return weight;
}

std::vector<LossTerm> Bsq::loss_terms(Forward&) {
  lasso_ = {};
  for (const QuantizedWeight* weight : weights_)
    if (const Variable part = weight->lasso(); part.defined())
      lasso_ = lasso_.defined() ? add(lasso_, part) : part;
  if (!lasso_.defined()) return {};
  return {{"lasso", lasso_}};
}

// The reference makes its optimizer anew, so that every parameter loses its momentum.
void Bsq::adjust() {
  bool any = false;
  for (QuantizedWeight* weight : weights_) any = weight->adjust() || any;
  if (!any) return;
  for (const Parameter& p : stage_.network->parameters()) restart_.insert(p.name);
}

HandedOver Bsq::hand_over() const {
  HandedOver numbers;
  for (const QuantizedWeight* weight : weights_) {
    const Precision precision = weight->report().precision;
    numbers[weight->name() + ".bits"] = precision.bits;
    numbers[weight->name() + ".scale"] = static_cast<double>(precision.scale);
  }
  activations_.leave(numbers);
  return numbers;
}

std::vector<MetricDeclaration> Bsq::metrics(const Network& network) const {
  const std::vector<std::string> names = tensors(network);
  std::vector<MetricDeclaration> list{
      {"bits", "bits", "width n of each tensor as deployed, signs not counted", names},
      {"scale", "1", "scale s of each tensor as deployed", names},
      {"nonzero_bits", "1", "share of ones among the bits of each tensor's magnitudes", names},
      {"bits_per_parameter", "bits", "mean width over quantized elements, signs not counted"},
      {"bits_per_parameter_signed", "bits", "the same with a bit for each sign"},
      {"compression", "1", "Comp: 32 / bits_per_parameter"},
      {"compression_signed", "1", "the same with a bit for each sign"}};
  if (phase_ == Phase::planes) {
    std::vector<std::string> planes;
    for (const std::string& name : names)
      for (int b = 0; b < planes_.most_bits; ++b) planes.push_back(fmt::format("{}:{}", name, b));
    list.push_back({"trained_bits", "bits",
                    "planes of each tensor in training; they change at adjustments", names});
    list.push_back({"lasso", "1", "B(W), the sum of the norms of each tensor's planes", names});
    list.push_back({"lasso_loss", "nats", "the lasso's part in the loss of the last step"});
    list.push_back({"plane_norm", "1",
                    "norm of plane b of P and M together, TENSOR:b with b = 0 least significant",
                    planes});
  }
  if (const auto layers = activations_.layers(network); !layers.empty()) {
    if (activations_.learns_clips())
      list.push_back({"activation_clip", "1", "learned clip A of each activation", layers});
    if (activations_.keeps_ranges())
      list.push_back({"activation_range", "1", "running range S of each activation", layers});
  }
  return list;
}

std::vector<double> Bsq::measure() {
  const std::vector<std::string> names = tensors(*stage_.network);
  std::vector<double> bits, scale, ones, trained, lasso, norms;
  Size size;
  for (const std::string& name : names) {
    const auto at = std::ranges::find_if(
        weights_, [&](const QuantizedWeight* weight) { return weight->name() == name; });
    TensorReport r{{0, NAN}, 0, NAN, NAN, {}};  // a tensor that the stage keeps as it is
    if (at != weights_.end()) {
      r = (*at)->report();
      size.add((*at)->elements(), r.precision.bits);
    }
    const bool known = at != weights_.end();
    bits.push_back(known ? r.precision.bits : NAN);
    scale.push_back(static_cast<double>(r.precision.scale));
    ones.push_back(r.nonzero_bits);
    trained.push_back(known ? r.trained_bits : NAN);
    lasso.push_back(r.lasso);
    r.plane_norms.resize(static_cast<std::size_t>(planes_.most_bits), known ? 0 : NAN);
    norms.insert(norms.end(), r.plane_norms.begin(), r.plane_norms.end());
  }
  std::vector<double> all;
  const auto append = [&](const std::vector<double>& some) {
    all.insert(all.end(), some.begin(), some.end());
  };
  append(bits);
  append(scale);
  append(ones);
  append({size.per_element(), size.per_element_signed(), size.compression(),
          size.compression_signed()});
  if (phase_ == Phase::planes) {
    append(trained);
    append(lasso);
    append({lasso_.defined() ? static_cast<double>(lasso_.value().item()) : NAN});
    append(norms);
  }
  if (activations_.learns_clips()) append(activations_.clips());
  if (activations_.keeps_ranges()) append(activations_.ranges());
  return all;
}

void Bsq::visit(StateVisitor& visitor) {
  {
    const StateScope scope(visitor, "bits");
    for (QuantizedWeight* weight : weights_) weight->visit(visitor);
  }
  activations_.visit(visitor);
}

Options options() {
  Options o;
  o.choice(
      "phase", {"planes", "fine_tune"}, "planes",
      "planes: bit planes are trained and widths found; fine_tune: float weights of the widths "
      "that an earlier stage left, or that bits or bits_from give");
  o.real("alpha",
         "strength of the lasso on bit planes; what counts is alpha times the number of updates; "
         "needed in phase planes")
      .symbol("alpha")
      .min(0)
      .optional();
  o.boolean("reweigh", true,
            "a tensor's lasso is multiplied by its share of all elements times its bits");
  o.integer("initial_bits", 8, "width of every tensor at first")
      .symbol("n")
      .unit("bits")
      .min(1)
      .max(kMostBits);
  o.integer("most_bits", 8, "width up to which a tensor may grow; beyond, codes are clipped")
      .unit("bits")
      .min(1)
      .max(kMostBits);
  o.integer("interval", 100, "epochs between two precision adjustments; one more ends the stage")
      .unit("epochs")
      .min(1);
  o.real("scale_rate", 1, "learning rate of the scales, as a factor; 0: they stay").min(0);
  o.texts("bits", {},
          "phase fine_tune: PATTERN=BITS by tensor, of which the last match holds; 0: all zero");
  o.text("bits_from", "",
         "phase fine_tune: the run.h5 of a run with this method, or a file of lines PATTERN=BITS");
  o.choice("biases", {"none", "last", "all"}, "last",
           "which biases are quantized: the paper's code has the last layer's, each with a width "
           "and a scale of its own");
  Activations::declare(o);
  ParameterSelection::declare(o, {"*.shortcut.*"},
                              "the paper's code leaves 1x1 shortcuts; parameters of normalisation "
                              "are never quantized");
  return o;
}

}  // namespace

void register_bsq(Registries& registries) {
  registries.methods.add(
      {"bsq",
       "bit-level sparsity: trains the bits of weights, drops empty ones, and fine-tunes with the "
       "widths found (every tensor its own)",
       "arXiv:2102.10462", options()},
      [](const Settings& settings) { return std::make_unique<Bsq>(settings); });
}

}  // namespace bitwright
