// Compression-Aware Training for bandwidth reduction (Baskin, Chmiel, Zheltonozhskii, Banner,
// Bronstein, Mendelson; arXiv:1909.11481). Feature maps that are quantized and entropy-coded on
// their way to memory cost their entropy, so the loss is CE + lambda R_act + lambda_w R_w with R
// the differentiable entropy of activations and weights, in bits per value.

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <bitwright/core/glob.h>
#include <bitwright/core/registry.h>
#include <bitwright/quant/huffman.h>
#include <bitwright/train/method.h>

#include "activation.h"
#include "weight.h"

namespace bitwright {
namespace {

using namespace cat;

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

Compression compression_from(const Settings& s) {
  Compression how;
  how.bits = static_cast<int>(s.integer("bits"));
  how.clips = s.boolean("clip");
  const auto range = [&](const char* option) {
    return s.text(option) == "clip" ? Range::clip : Range::batch;
  };
  how.range = range("range");
  how.deployed_range = range("deployed_range");
  how.regularizer = s.text("regularizer") == "entropy" ? Regularizer::entropy
                    : s.text("regularizer") == "l1_l2" ? Regularizer::l1_l2
                                                       : Regularizer::none;
  how.temperature = s.real("temperature");
  how.detach_range = s.boolean("detach_range");
  how.sample.fraction = s.real("sample");
  how.sample.minimum = s.integer("sample_minimum");
  how.calibration = s.integer("calibration_batches");
  how.deviations = s.real("clip_deviations");
  for (const char* option : {"range", "deployed_range"})
    if (!how.clips && s.text(option) == "clip")
      throw config_error(s.where(option), fmt::format("{}: clip needs clips", option),
                         fmt::format("{}: batch, or clip: true", option));
  return how;
}

// The entropy of a convolution's weights, as it is traced.
struct RegularizedWeight {
  std::int64_t numel;
  Variable entropy;
};

class CompressionAwareTraining final : public Method {
 public:
  explicit CompressionAwareTraining(const Settings& s)
      : how_(compression_from(s)),
        lambda_(s.real("lambda")),
        weight_lambda_(s.real("weight_lambda")),
        weight_bits_(static_cast<int>(s.integer("weight_bits"))),
        weight_sample_(s.real("weight_sample")),
        switch_on_every_(s.length("switch_on_every")),
        excluded_(s.texts("exclude_layers")),
        excluded_at_(s.where("exclude_layers")) {
    if (weight_bits_ > 8 && weight_bits_ != 32)
      throw config_error(s.where("weight_bits"),
                         fmt::format("weights of {} bits are not offered", weight_bits_),
                         "1 to 8, or 32: float");
  }

  std::string_view name() const override { return "compression_aware_training"; }

  void attach(const StageInfo& stage) override {
    stage_ = stage;
    how_.sample.seed = stage.seed;
    check_exclusions(*stage.network);
    for (const LayerSummary& layer : stage.network->summary())
      if (compresses(layer))
        activations_.push_back(
            std::make_shared<Activation>(layer.name, layer.output.numel(), how_.levels()));
    for (std::size_t l = 0; l < activations_.size(); ++l) coefficients_.emplace_back(0);
    switch_on(0);
  }

  std::unique_ptr<WeightTransform> transform(const Parameter& parameter) override {
    if (weight_bits_ == 32 || parameter.kind != ParameterKind::conv_weight) return nullptr;
    auto weight = std::make_unique<MinMaxWeight>(parameter, weight_bits_);
    weights_.push_back(weight.get());
    return weight;
  }

  // c has the rate of the weights and no decay.
  std::vector<TrainedTensor> trained() override {
    std::vector<TrainedTensor> clips;
    if (how_.clips)
      for (const auto& a : activations_)
        clips.push_back({a->layer + ".clip", a->clip, UpdateRule{1, 0}});
    return clips;
  }

  // R_w: soft entropy of conv weights between their least and greatest, on a subset of each.
  void weight_traced(Forward&, const Parameter& parameter, const Variable& master,
                     const Variable&) override {
    if (weight_lambda_ == 0 || parameter.kind != ParameterKind::conv_weight) return;
    const SoftBins bins{std::int64_t{1} << std::min(weight_bits_, 8), how_.temperature,
                        !how_.detach_range};
    const ValueSample sample{weight_sample_, how_.sample.minimum, stage_.seed, parameter.name,
                             weight_step_};
    weight_terms_.push_back({parameter.value.numel(), soft_entropy(master, bins, sample)});
  }

  Variable layer_output(Forward& forward, const Layer& layer, const Variable& y) override {
    const auto at =
        std::ranges::find_if(activations_, [&](const auto& a) { return a->layer == layer.name(); });
    if (at == activations_.end()) return y;
    const Variable clip = how_.clips ? forward.trained((*at)->clip) : Variable();
    if (forward.deployed) return deploy(y, clip, *at, how_, !forward.training);
    const Compressed compressed = compress(y, clip, *at, how_);
    if (compressed.regularizer.defined())
      activation_terms_.push_back(scale(compressed.regularizer, coefficient(**at)));
    return compressed.y;
  }

  // lambda R_act = lambda sum_l n_l H_l / sum_l n_l over the layers that are on, and R_w likewise.
  std::vector<LossTerm> loss_terms(Forward&) override {
    std::vector<LossTerm> terms;
    if (!activation_terms_.empty())
      terms.push_back({"activation_entropy", sum_of(activation_terms_)});
    double n = 0;
    for (const RegularizedWeight& w : weight_terms_) n += static_cast<double>(w.numel);
    std::vector<Variable> weighted;
    for (const RegularizedWeight& w : weight_terms_)
      weighted.push_back(scale(w.entropy, weight_lambda_ * static_cast<double>(w.numel) / n));
    if (!weighted.empty()) terms.push_back({"weight_entropy", sum_of(weighted)});
    activation_terms_.clear();
    weight_terms_.clear();
    return terms;
  }

  void before_step(const StepInfo& info) override {
    switch_on(info.step);
    weight_step_.set(static_cast<double>(info.step));
    for (const auto& a : activations_) {
      a->step.set(static_cast<double>(info.step));
      a->forget();
    }
  }

  std::vector<MetricDeclaration> metrics(const Network& network) const override;
  std::vector<double> measure() override;

  void visit(StateVisitor& visitor) override {
    visitor.integer("layers_on", layers_on_);
    set_layers_on(layers_on_);
    for (const auto& a : activations_) a->visit(visitor);
  }

  void visit_deployed(StateVisitor& visitor) override {
    visitor.integer("layers_on", layers_on_);
    set_layers_on(layers_on_);
    std::int64_t observed = activations_.empty() ? 0 : activations_.front()->observed;
    visitor.integer("observed", observed);
    for (const auto& a : activations_) a->observed = observed;
  }

 private:
  bool excluded(const std::string& layer) const {
    return std::ranges::any_of(excluded_, [&](const auto& p) { return glob_match(p, layer); });
  }
  bool compresses(const LayerSummary& layer) const {
    return (layer.kind == "relu" || layer.kind == "relu6") && !excluded(layer.name);
  }

  void check_exclusions(const Network& network) const {
    std::vector<std::string> names;
    for (const LayerSummary& layer : network.summary())
      if (layer.kind == "relu" || layer.kind == "relu6") names.push_back(layer.name);
    for (const std::string& pattern : excluded_)
      if (std::ranges::none_of(names, [&](const auto& n) { return glob_match(pattern, n); }))
        throw config_error(excluded_at_, fmt::format("pattern '{}' matches no ReLU", pattern),
                           names.empty()
                               ? "a network with ReLUs"
                               : fmt::format("a pattern for one of {}", fmt::join(names, ", ")));
  }

  // Layers become quantized and regularised one by one, the first one at once.
  void switch_on(std::int64_t step) {
    const auto all = static_cast<std::int64_t>(activations_.size());
    const std::int64_t every = switch_on_every_.amount == 0
                                   ? 0
                                   : switch_on_every_.steps({stage_.steps, stage_.steps_per_epoch});
    set_layers_on(every == 0 ? all : std::min(all, step / every + 1));
  }

  void set_layers_on(std::int64_t count) {
    layers_on_ = count;
    double n = 0;
    for (std::size_t l = 0; l < activations_.size(); ++l) {
      const bool on = static_cast<std::int64_t>(l) < count;
      activations_[l]->on.set(on ? 1 : 0);
      if (on) n += static_cast<double>(activations_[l]->values);
    }
    for (std::size_t l = 0; l < activations_.size(); ++l)
      coefficients_[l].set(activations_[l]->on.get() * lambda_ *
                           static_cast<double>(activations_[l]->values) / std::max(n, 1.0));
  }

  Scalar coefficient(const Activation& activation) const {
    for (std::size_t l = 0; l < activations_.size(); ++l)
      if (activations_[l].get() == &activation) return coefficients_[l];
    return 0;
  }

  static Variable sum_of(const std::vector<Variable>& terms) {
    Variable total = terms.front();
    for (std::size_t i = 1; i < terms.size(); ++i) total = add(total, terms[i]);
    return total;
  }

  Compression how_;
  double lambda_, weight_lambda_;
  int weight_bits_;
  double weight_sample_;
  Length switch_on_every_;
  std::vector<std::string> excluded_;
  Place excluded_at_;
  StageInfo stage_;
  std::vector<std::shared_ptr<Activation>> activations_;
  std::vector<Scalar> coefficients_;        // lambda n_l / sum n_l, 0 for layers that are off
  std::vector<MinMaxWeight*> weights_;      // owned by the caller of transform
  std::vector<Variable> activation_terms_;  // of the step being traced
  std::vector<RegularizedWeight> weight_terms_;
  Scalar weight_step_ = 0;
  std::int64_t layers_on_ = 0;
};

// What one layer's activations take, measured on the images that the last evaluation saw.
struct Measured {
  double values = 0;  // n_l
  bool on = false;
  double clip = kUnknown, soft = kUnknown, hard = kUnknown, huffman = 32, zeros = kUnknown;
};

Measured measured(const Activation& a, bool clips) {
  Measured m;
  m.values = static_cast<double>(a.values);
  m.on = a.on.get() != 0;
  if (clips) m.clip = std::fabs(static_cast<double>(a.clip.item()));
  if (!m.on) return m;
  std::int64_t total = 0;
  for (const std::int64_t c : a.counts) total += c;
  if (total == 0) {
    m.huffman = kUnknown;
    return m;
  }
  const auto n = static_cast<double>(total);
  if (a.soft_entropies > 0) m.soft = a.soft_entropy / static_cast<double>(a.soft_entropies);
  m.hard = entropy_of(a.counts);
  // Every image's feature map travels with the layer's code table and its range (f32).
  const HuffmanCode code = HuffmanCode::of(a.counts);
  m.huffman = static_cast<double>(code.bits(a.counts)) / n +
              static_cast<double>(code.table_bits() + 32) / m.values;
  m.zeros = static_cast<double>(a.counts[0]) / n;
  return m;
}

// Mean over layers, weighted by their values, of those for which it is known.
template <class Part>
double weighted_mean(const std::vector<Measured>& layers, Part part) {
  double sum = 0, n = 0;
  for (const Measured& m : layers)
    if (!std::isnan(m.*part)) {
      sum += m.values * m.*part;
      n += m.values;
    }
  return n > 0 ? sum / n : kUnknown;
}

std::vector<MetricDeclaration> CompressionAwareTraining::metrics(const Network& network) const {
  std::vector<std::string> layers;
  for (const LayerSummary& layer : network.summary())
    if (compresses(layer)) layers.push_back(layer.name);
  std::vector<MetricDeclaration> list{
      {"layers_on", "1", "layers whose activations are quantized and regularised"},
      {"soft_entropy", "bits", "soft entropy per activation, mean over layers that are on"},
      {"hard_entropy", "bits", "entropy of the codes per activation, mean over layers that are on"},
      {"huffman_bits", "bits",
       "Huffman bits per activation, table and range sent with every image; layers off: 32"},
      {"sparsity", "1", "fraction of activations with code 0, mean over layers that are on"},
      {"weight_entropy", "bits", "entropy of the codes per quantized weight"},
      {"weight_huffman_bits", "bits",
       "Huffman bits per quantized weight, tables and ranges counted"}};
  if (layers.empty()) return list;
  list.push_back({"layer_clip", "1", "clip |c| of the layer's activations", layers});
  list.push_back({"layer_soft_entropy", "bits", "soft entropy H_l per activation", layers});
  list.push_back({"layer_hard_entropy", "bits", "entropy of the codes per activation", layers});
  list.push_back(
      {"layer_huffman_bits", "bits", "Huffman bits per activation, as the total", layers});
  list.push_back({"layer_sparsity", "1", "fraction of activations with code 0", layers});
  return list;
}

std::vector<double> CompressionAwareTraining::measure() {
  std::vector<Measured> layers;
  for (const auto& a : activations_) layers.push_back(measured(*a, how_.clips));
  double numel = 0, entropy = 0, huffman = 0;
  for (const MinMaxWeight* w : weights_) {
    const auto counts = w->counts();
    double n = 0;
    for (const std::int64_t c : counts) n += static_cast<double>(c);
    const HuffmanCode code = HuffmanCode::of(counts);
    numel += n;
    entropy += n * entropy_of(counts);
    huffman += static_cast<double>(code.bits(counts) + code.table_bits() + 64);
  }
  std::vector<double> values{
      static_cast<double>(layers_on_),         weighted_mean(layers, &Measured::soft),
      weighted_mean(layers, &Measured::hard),  weighted_mean(layers, &Measured::huffman),
      weighted_mean(layers, &Measured::zeros), numel > 0 ? entropy / numel : kUnknown,
      numel > 0 ? huffman / numel : kUnknown};
  for (const auto part :
       {&Measured::clip, &Measured::soft, &Measured::hard, &Measured::huffman, &Measured::zeros})
    for (const Measured& m : layers) values.push_back(m.*part);
  return values;
}

Options options() {
  Options o;
  o.real("lambda", 0.1, "strength of the activations' entropy; the paper uses 0 to 0.3")
      .symbol("lambda")
      .min(0);
  o.integer("bits", 5, "bits of a quantized activation").symbol("b").unit("bits").min(1).max(8);
  o.choice(
      "regularizer", {"entropy", "l1_l2", "none"}, "entropy",
      "what is added to the loss: the soft entropy, the authors' other choice |v|_1 / |v|_2 of "
      "each layer, or nothing");
  o.real("temperature", 10, "sharpness of the soft assignment to levels; the authors' code has 10")
      .symbol("T")
      .above(0);
  o.boolean("clip", true, "a learned clip per ReLU, without weight decay").symbol("c");
  o.real("clip_deviations", 3, "where a clip starts: mean + this times the standard deviation")
      .above(0);
  o.integer(
       "calibration_batches", 1,
       "training batches at the beginning of the stage that give clips their start, as running "
       "means (0.9) over batches; activations are not quantized in them")
      .unit("batches")
      .min(1);
  o.choice(
      "range", {"batch", "clip"}, "batch",
      "range of quantizer and entropy in training: least and greatest value of the batch, as in "
      "the authors' code, or 0 to |c|");
  o.choice("deployed_range", {"clip", "batch"}, "clip",
           "the same in evaluations; with 'batch', as in the authors' code, results depend on the "
           "batch size");
  o.boolean("detach_range", false, "no gradient of the entropy through the ends of its range");
  o.real("sample", 0.01,
         "fraction of a layer's activations on which a step takes the entropy; 1: all")
      .above(0)
      .max(1);
  o.integer("sample_minimum", 4096, "at least so many values, where there are as many").min(1);
  o.length("switch_on_every", Length{0, Length::Unit::steps},
           "quantize one more layer after each such stretch, the first at once; 0: all at once. "
           "Layers that the stage is too short for stay float")
      .min(0);
  o.integer(
       "weight_bits", 8,
       "bits of the weights of convolutions, uniform between a tensor's least and greatest; 32: "
       "left to others")
      .unit("bits")
      .min(1)
      .max(32);
  o.real("weight_lambda", 0, "strength of the entropy of convolutions' weights")
      .symbol("lambda_w")
      .min(0);
  o.real("weight_sample", 0.05, "fraction of a tensor's weights on which a step takes the entropy")
      .above(0)
      .max(1);
  o.texts("exclude_layers", {},
          "patterns of ReLU layers whose output stays float (the authors' noQuantEdges: the last)");
  return o;
}

}  // namespace

void register_compression_aware_training(Registries& registries) {
  registries.methods.add(
      {"compression_aware_training",
       "quantized activations whose entropy is part of the loss, so that they compress (CAT)",
       "arXiv:1909.11481", options()},
      [](const Settings& s) { return std::make_unique<CompressionAwareTraining>(s); });
}

}  // namespace bitwright
