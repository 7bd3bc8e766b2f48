// Learned Step Size Quantization (Esser, McKinstry, Bablani, Appuswamy, Modha; ICLR 2020,
// arXiv:1902.08153): the step s of every quantizer is trained with the weights.

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <bitwright/core/registry.h>
#include <bitwright/quant/fake_quantize.h>
#include <bitwright/quant/layer_rules.h>
#include <bitwright/quant/row_statistics.h>
#include <bitwright/train/method.h>

namespace bitwright {
namespace {

// Q_P; of a sign 1.
double largest_code(const Codes& codes) { return static_cast<double>(codes.high); }

// Section 2.1: s starts as 2 <|v|> / sqrt(Q_P); a sign's, which has no Q_P, as <|v|>, the scale of
// the least squared error.
float first_step(float mean_magnitude, const Codes& codes) {
  if (codes.rounding == Rounding::sign) return mean_magnitude;
  return 2 * mean_magnitude / static_cast<float>(std::sqrt(largest_code(codes)));
}

// Section 2.2: g = 1 / sqrt(N Q_P).
double gradient_scale(bool scaled, std::int64_t n, const Codes& codes) {
  return scaled ? 1 / std::sqrt(static_cast<double>(n) * largest_code(codes)) : 1;
}

// The optimizer may carry a step past 0, where the quantizer means nothing.
constexpr float kLeastStep = 1e-6f;
void keep_positive(Tensor& steps) {
  for (float& s : steps.values())
    if (s != 0) s = std::max(s, kLeastStep);
}

class LsqWeight final : public WeightTransform {
 public:
  LsqWeight(const Parameter& parameter, int bits, bool per_channel, bool scaled)
      : w(parameter.value.clone()), codes(Codes::twos_complement(bits)), bits_(bits) {
    const std::int64_t rows = per_channel ? w.shape()[0] : 1;
    scale_ = gradient_scale(scaled, w.numel() / rows, codes);
    s = Tensor::empty(Shape{rows});
    std::ranges::transform(mean_magnitude(w, rows), s.values().begin(), [&](float mean) {
      return mean > 0 ? first_step(mean, codes) : 1;  // all 0: any step will do
    });
  }

  std::vector<Tensor> latents() override { return {w, s}; }
  UpdateRule rule(std::size_t i) const override { return {.rate = 1, .decay = i == 0 ? 1.0 : 0.0}; }
  std::optional<float> collapsed_at(std::size_t i) const override {
    if (i == 0) return {};
    return kLeastStep;
  }
  Variable effective(Forward&, std::span<const Variable> latents) override {
    return learned_step(latents[0], latents[1], codes, scale_);
  }
  void write_deployed(Deployment, Tensor& out) const override { code().decode(out.values()); }
  void hand_over(Tensor& out) const override { out.copy_from(w); }
  double bits() const override { return bits_; }
  std::optional<Coded> coded() const override { return code(); }

  Tensor w, s;
  Codes codes;

 private:
  Coded code() const { return code_on_grid(w, grid_of(s, codes)); }

  int bits_;
  double scale_;
};

struct InputStep {
  std::string layer;
  Tensor s;  ///< [1]; 0 until the first batch
};

class Lsq final : public Method {
 public:
  explicit Lsq(const Settings& settings)
      : rules_(settings),
        per_channel_(settings.text("weight_granularity") == "channel"),
        signed_(settings.boolean("signed_activations")),
        scaled_(settings.boolean("gradient_scale")) {}

  std::string_view name() const override { return "lsq"; }

  void attach(const StageInfo& stage) override {
    rules_.attach(*stage.network);
    for (const std::string& layer : with_quantized_activations(rules_.layers()))
      inputs_.push_back({layer, Tensor::zeros(Shape{1})});
  }

  std::unique_ptr<WeightTransform> transform(const Parameter& parameter) override {
    const int bits = rules_.weight_bits(parameter);
    if (bits == kFloatBits) return nullptr;
    auto weight = std::make_unique<LsqWeight>(parameter, bits, per_channel_, scaled_);
    weights_.push_back({parameter.layer, weight.get()});
    return weight;
  }

  std::vector<TrainedTensor> trained() override {
    std::vector<TrainedTensor> all;
    for (const InputStep& input : inputs_)
      all.push_back({input.layer + ".step", input.s, {.rate = 1, .decay = 0}, kLeastStep});
    return all;
  }

  Variable layer_input(Forward& forward, const Layer& layer, const Variable& x) override {
    const int bits = rules_.activation_bits(layer);
    if (bits == kFloatBits) return x;
    const Codes codes =
        signed_ || rules_.sees_image(layer) ? Codes::twos_complement(bits) : Codes::natural(bits);
    Tensor s = std::ranges::find(inputs_, layer.name(), &InputStep::layer)->s;
    const std::int64_t features = x.shape().numel() / x.shape()[0];
    Observe first_batch;
    if (!forward.deployed)
      first_batch = [s, codes](const Tensor& batch) mutable {
        if (s.item() == 0) s.fill(first_step(mean_magnitude(batch)[0], codes));
      };
    return learned_step(x, forward.trained(s), codes, gradient_scale(scaled_, features, codes),
                        first_batch);
  }

  void after_update(const StepInfo&) override {
    for (auto& [layer, weight] : weights_) keep_positive(weight->s);
    for (InputStep& input : inputs_) keep_positive(input.s);
  }

  std::vector<MetricDeclaration> metrics(const Network& network) const override {
    const std::vector<LayerBits> layers = rules_.resolve(network);
    std::vector<MetricDeclaration> list;
    if (const auto names = with_quantized_weights(layers); !names.empty()) {
      list.push_back({"weight_step", "1", "step s of the weights, mean over channels", names});
      list.push_back({"weight_saturated", "1", "fraction of weights at or beyond a bound", names});
    }
    if (const auto names = with_quantized_activations(layers); !names.empty())
      list.push_back({"activation_step", "1", "step s of the layer's input", names});
    return list;
  }

  std::vector<double> measure() override {
    std::vector<double> steps, saturated;
    for (const LayerBits& layer : rules_.layers()) {
      if (layer.weight == kFloatBits) continue;
      const auto at = std::ranges::find(weights_, layer.layer, &Weight::layer);
      if (at == weights_.end()) {  // held by the stage
        steps.push_back(0), saturated.push_back(0);
        continue;
      }
      const LsqWeight& w = *at->weight;
      steps.push_back(static_cast<double>(mean_magnitude(w.s)[0]));
      saturated.push_back(saturated_fraction(w.w, w.s, w.codes.low, w.codes.high));
    }
    std::vector<double> values = std::move(steps);
    values.insert(values.end(), saturated.begin(), saturated.end());
    for (const InputStep& input : inputs_) values.push_back(static_cast<double>(input.s.item()));
    return values;
  }

 private:
  struct Weight {
    std::string layer;
    LsqWeight* weight;  // owned by the caller of transform
  };

  LayerRules rules_;
  bool per_channel_, signed_, scaled_;
  std::vector<Weight> weights_;
  std::vector<InputStep> inputs_;
};

Options options() {
  Options o;
  LayerRules::declare(o,
                      {.weight = 4, .activation = 4, .first_last = 8, .may_quantize_image = true});
  o.choice("weight_granularity", {"tensor", "channel"}, "tensor",
           "one step per weight tensor, as in the paper, or per output channel");
  o.boolean("signed_activations", false,
            "inputs of layers may be negative, as in networks without ReLU; images always may");
  o.boolean("gradient_scale", true,
            "multiply the gradient of a step by 1 / sqrt(N Q_P); false: the paper's ablation")
      .symbol("g");
  return o;
}

}  // namespace

void register_lsq(Registries& registries) {
  registries.methods.add({"lsq",
                          "learned step sizes: uniform quantizers whose step is trained with the "
                          "weights, of weights and activations",
                          "arXiv:1902.08153", options()},
                         [](const Settings& settings) { return std::make_unique<Lsq>(settings); });
}

}  // namespace bitwright
