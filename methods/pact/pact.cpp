// PACT: Parameterized Clipping Activation (Choi, Wang, Venkataramani, Chuang, Srinivasan,
// Gopalakrishnan; 2018, arXiv:1805.06085): activations are clipped at a trained alpha and rounded;
// weights are quantized as in DoReFa-Net.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <bitwright/core/registry.h>
#include <bitwright/quant/fake_quantize.h>
#include <bitwright/quant/layer_rules.h>
#include <bitwright/train/rounded_weight.h>

namespace bitwright {
namespace {

class Pact final : public Method {
 public:
  explicit Pact(const Settings& settings)
      : rules_(settings),
        start_(static_cast<float>(settings.real("clip_start"))),
        update_{.rate = settings.real("clip_rate"), .decay = settings.real("clip_decay")} {}

  std::string_view name() const override { return "pact"; }

  void attach(const StageInfo& stage) override {
    rules_.attach(*stage.network);
    for (const std::string& layer : with_quantized_activations(rules_.layers()))
      clips_.push_back({layer, Tensor::full(Shape{1}, start_)});
  }

  std::unique_ptr<WeightTransform> transform(const Parameter& parameter) override {
    const int bits = rules_.weight_bits(parameter);
    if (bits == kFloatBits) return nullptr;
    return std::make_unique<RoundedWeight>(
        parameter, bits, [bits](const Variable& w) { return tanh_quantize(w, bits); },
        [bits](const Tensor& w) { return code_by_tanh(w, bits); });
  }

  std::vector<TrainedTensor> trained() override {
    std::vector<TrainedTensor> all;
    for (const Clip& clip : clips_)
      all.push_back({clip.layer + ".clip", clip.alpha, update_, kLeastClip});
    return all;
  }

  Variable layer_input(Forward& forward, const Layer& layer, const Variable& x) override {
    const int bits = rules_.activation_bits(layer);
    if (bits == kFloatBits) return x;
    const auto clip = std::ranges::find(clips_, layer.name(), &Clip::layer);
    return learned_clip(x, forward.trained(clip->alpha), bits);
  }

  // Beyond 0 nothing would pass, and no gradient would bring alpha back.
  void after_update(const StepInfo&) override {
    for (Clip& clip : clips_) clip.alpha.fill(std::max(clip.alpha.item(), kLeastClip));
  }

  std::vector<MetricDeclaration> metrics(const Network& network) const override {
    const auto names = with_quantized_activations(rules_.resolve(network));
    if (names.empty()) return {};
    return {{"clip", "1", "clip alpha of the layer's input", names}};
  }

  std::vector<double> measure() override {
    std::vector<double> values;
    for (const Clip& clip : clips_) values.push_back(static_cast<double>(clip.alpha.item()));
    return values;
  }

 private:
  static constexpr float kLeastClip = 1e-3f;
  struct Clip {
    std::string layer;
    Tensor alpha;  ///< [1]
  };

  LayerRules rules_;
  float start_;
  UpdateRule update_;
  std::vector<Clip> clips_;
};

Options options() {
  Options o;
  LayerRules::declare(o, {.weight = 4, .activation = 4, .first_last = kFloatBits});
  o.real("clip_start", 10.0, "alpha of the first step").symbol("alpha").above(0);
  o.real("clip_rate", 1.0, "learning rate of alpha, as a factor of the optimizer's").min(0);
  o.real("clip_decay", 1.0,
         "L2 regularisation of alpha, as a factor of the optimizer's weight decay; the paper uses "
         "the weights'")
      .symbol("lambda_alpha")
      .min(0);
  return o;
}

}  // namespace

void register_pact(Registries& registries) {
  registries.methods.add(
      {"pact", "activations clipped at a trained alpha and rounded; weights as dorefa",
       "arXiv:1805.06085", options()},
      [](const Settings& settings) { return std::make_unique<Pact>(settings); });
}

}  // namespace bitwright
