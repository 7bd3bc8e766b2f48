// BinaryConnect (Courbariaux, Bengio, David; NeurIPS 2015, arXiv:1511.00363) as the baseline of
// Proximal Mean-field (Ajanthan et al., ICCV 2019, Table 2): forward with sign(x), straight-through
// gradient where |x| <= 1, every parameter binary, biases included.

#include <algorithm>
#include <memory>
#include <vector>

#include <bitwright/core/registry.h>
#include <bitwright/quant/selection.h>
#include <bitwright/quant/sign_latent.h>
#include <bitwright/train/method.h>

namespace bitwright {
namespace {

class SignWeight final : public WeightTransform {
 public:
  SignWeight(const Parameter& parameter, const StageInfo& stage)
      : x(parameter, stage.fresh_weights, stage.seed) {}
  std::vector<Tensor> latents() override { return {x.tensor()}; }
  Variable effective(Forward&, std::span<const Variable> latents) override {
    return sign_ste(latents[0]);
  }
  void write_deployed(Deployment, Tensor& out) const override { x.write_signs(out); }
  double bits() const override { return 1; }
  std::vector<float> label_set() const override { return {-1.0f, 1.0f}; }
  std::optional<Coded> coded() const override {
    Tensor signs = Tensor::empty(x.tensor().shape());
    write_deployed(Deployment::hard, signs);
    return coded_labels(signs.values(), label_set());
  }

  SignLatent x;
};

class BinaryConnect final : public Method {
 public:
  explicit BinaryConnect(const Settings& settings)
      : clip_(settings.boolean("clip")), selection_(settings, "exclude") {}

  std::string_view name() const override { return "binary_connect"; }

  void attach(const StageInfo& stage) override {
    stage_ = stage;
    selection_.check(*stage.network);
  }

  std::unique_ptr<WeightTransform> transform(const Parameter& parameter) override {
    if (!selection_.selects(parameter)) return nullptr;
    auto weight = std::make_unique<SignWeight>(parameter, stage_);
    weights_.push_back(weight.get());
    return weight;
  }

  void after_update(const StepInfo&) override {
    if (!clip_) return;
    for (SignWeight* weight : weights_)
      weight->x.update([](float x) { return std::clamp(x, -1.0f, 1.0f); });
  }

  std::vector<MetricDeclaration> metrics(const Network&) const override {
    return {{"positive_fraction", "1", "fraction of binary parameters that are +1"},
            {"label_flips", "1", "parameters whose sign changed since the last value"}};
  }

  std::vector<double> measure() override {
    SignStatistics total;
    for (SignWeight* weight : weights_) weight->x.add_to(total);
    const auto all = static_cast<double>(std::max<std::int64_t>(total.elements, 1));
    return {static_cast<double>(total.positive) / all, static_cast<double>(total.flips)};
  }

  void visit(StateVisitor& visitor) override {
    StateScope scope(visitor, "last_signs");
    for (SignWeight* weight : weights_) weight->x.visit(visitor);
  }
  void visit_deployed(StateVisitor&) override {}

 private:
  bool clip_;
  ParameterSelection selection_;
  StageInfo stage_;
  std::vector<SignWeight*> weights_;  // owned by the caller of transform
};

Options options() {
  Options o;
  o.boolean("clip", true,
            "clip x to [-1, 1] after every update, as both papers say; false: as the later code of "
            "the mirror-descent paper (arXiv:1910.08237)");
  ParameterSelection::declare(o, {}, "the table's baseline binarizes everything, biases included");
  return o;
}

}  // namespace

void register_binary_connect(Registries& registries) {
  registries.methods.add(
      {"binary_connect",
       "sign of a latent weight, straight-through gradient (every weight -1 or 1)",
       "arXiv:1511.00363", options()},
      [](const Settings& settings) { return std::make_unique<BinaryConnect>(settings); });
}

}  // namespace bitwright
