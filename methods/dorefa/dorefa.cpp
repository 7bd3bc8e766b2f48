// DoReFa-Net (Zhou, Wu, Ni, Zhou, Wen, Zou; 2016, arXiv:1606.06160): weights through tanh into [-1,
// 1], activations clamped to [0, 1], both rounded to k bits.

#include <memory>
#include <string>
#include <vector>

#include <bitwright/core/registry.h>
#include <bitwright/quant/fake_quantize.h>
#include <bitwright/quant/layer_rules.h>
#include <bitwright/quant/row_statistics.h>
#include <bitwright/train/rounded_weight.h>

namespace bitwright {
namespace {

class Dorefa final : public Method {
 public:
  explicit Dorefa(const Settings& settings) : rules_(settings) {}

  std::string_view name() const override { return "dorefa"; }

  void attach(const StageInfo& stage) override { rules_.attach(*stage.network); }

  // f_w^k.
  std::unique_ptr<WeightTransform> transform(const Parameter& parameter) override {
    const int bits = rules_.weight_bits(parameter);
    if (bits == kFloatBits) return nullptr;
    auto weight = std::make_unique<RoundedWeight>(
        parameter, bits, [bits](const Variable& w) { return tanh_quantize(w, bits); },
        [bits](const Tensor& w) { return code_by_tanh(w, bits); });
    weights_.push_back(weight.get());
    return weight;
  }

  // f_a^k = quantize_k(clamp(x, 0, 1)).
  Variable layer_input(Forward&, const Layer& layer, const Variable& x) override {
    const int bits = rules_.activation_bits(layer);
    if (bits == kFloatBits) return x;
    const Codes codes = Codes::natural(bits);
    return fake_quantize(x, std::make_shared<Grid>(Grid{{{1 / codes.high, codes}}}),
                         Estimator::clipped);
  }

  std::vector<MetricDeclaration> metrics(const Network&) const override {
    return {{"mean_magnitude", "1", "mean |w| of the float masters of all quantized weights"}};
  }

  std::vector<double> measure() override {
    double sum = 0, count = 0;
    for (const RoundedWeight* weight : weights_) {
      const auto n = static_cast<double>(weight->master().numel());
      sum += n * static_cast<double>(mean_magnitude(weight->master())[0]);
      count += n;
    }
    return {count > 0 ? sum / count : 0};
  }

 private:
  LayerRules rules_;
  std::vector<RoundedWeight*> weights_;  // owned by the caller of transform
};

Options options() {
  Options o;
  LayerRules::declare(o, {.weight = 4, .activation = 4, .first_last = kFloatBits});
  return o;
}

}  // namespace

void register_dorefa(Registries& registries) {
  registries.methods.add(
      {"dorefa",
       "weights through tanh into [-1, 1], activations clamped to [0, 1], rounded to k bits",
       "arXiv:1606.06160", options()},
      [](const Settings& settings) { return std::make_unique<Dorefa>(settings); });
}

}  // namespace bitwright
