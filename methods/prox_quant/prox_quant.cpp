// ProxQuant (Bai, Wang, Liberty; ICLR 2019, arXiv:1810.00861), binary, as the baseline of Proximal
// Mean-field (Ajanthan et al., ICCV 2019, Table 2): the network trains with float weights, and a
// proximal step of growing strength pulls each of them to -1 or 1.

#include <algorithm>
#include <memory>
#include <vector>

#include <bitwright/core/registry.h>
#include <bitwright/quant/selection.h>
#include <bitwright/quant/sign_latent.h>
#include <bitwright/train/method.h>

#include "prox.h"

namespace bitwright {
namespace {

// Trains as it is; the sign is for deployment only.
class RegularizedWeight final : public WeightTransform {
 public:
  RegularizedWeight(const Parameter& parameter, const StageInfo& stage)
      : x(parameter, stage.fresh_weights, stage.seed) {}
  std::vector<Tensor> latents() override { return {x.tensor()}; }
  Variable effective(Forward&, std::span<const Variable> latents) override { return latents[0]; }
  void write_deployed(Deployment deployment, Tensor& out) const override {
    if (deployment == Deployment::hard) return x.write_signs(out);
    out.copy_from(x.tensor());
  }
  double bits() const override { return 1; }
  std::vector<float> label_set() const override { return {-1.0f, 1.0f}; }
  std::optional<Coded> coded() const override {
    Tensor signs = Tensor::empty(x.tensor().shape());
    write_deployed(Deployment::hard, signs);
    return coded_labels(signs.values(), label_set());
  }

  SignLatent x;
};

class ProxQuant final : public Method {
 public:
  explicit ProxQuant(const Settings& settings)
      : rate_(settings.real("reg_rate")),
        freeze_epoch_(settings.integer("freeze_epoch")),
        selection_(settings, "exclude") {}

  std::string_view name() const override { return "prox_quant"; }

  void attach(const StageInfo& stage) override {
    stage_ = stage;
    selection_.check(*stage.network);
  }

  std::unique_ptr<WeightTransform> transform(const Parameter& parameter) override {
    if (!selection_.selects(parameter)) return nullptr;
    auto weight = std::make_unique<RegularizedWeight>(parameter, stage_);
    weights_.push_back(weight.get());
    return weight;
  }

  // x <- clip(prox_{lr lambda}(x), -1, 1) with lambda = reg_rate * epoch.
  void after_update(const StepInfo& info) override {
    if (frozen_) return;
    lambda_ = rate_ * static_cast<double>(info.epoch);
    const auto t = static_cast<float>(info.learning_rate * lambda_);
    for (RegularizedWeight* weight : weights_)
      weight->x.update(
          [t](float x) { return std::clamp(prox_quant::binary_prox(x, t), -1.0f, 1.0f); });
  }

  // From epoch freeze_epoch on, the quantized weights are signs and only the others learn.
  void after_epoch(const StepInfo& info) override {
    if (frozen_ || freeze_epoch_ == 0 || info.epoch + 1 < freeze_epoch_) return;
    for (RegularizedWeight* weight : weights_) weight->x.update(binary_sign);
    frozen_ = 1;
  }

  bool frozen(const Parameter& parameter) const override {
    return frozen_ && selection_.selects(parameter);
  }

  std::vector<MetricDeclaration> metrics(const Network&) const override {
    return {{"lambda", "1", "strength lambda of the regularizer"},
            {"binary_distance", "1", "mean of | |x| - 1 | over the regularized parameters"},
            {"positive_fraction", "1", "fraction of regularized parameters whose sign is +1"},
            {"label_flips", "1", "parameters whose sign changed since the last value"}};
  }

  std::vector<double> measure() override {
    SignStatistics total;
    for (RegularizedWeight* weight : weights_) weight->x.add_to(total);
    const auto all = static_cast<double>(std::max<std::int64_t>(total.elements, 1));
    return {lambda_, total.distance / all, static_cast<double>(total.positive) / all,
            static_cast<double>(total.flips)};
  }

  void visit(StateVisitor& visitor) override {
    visitor.real("lambda", lambda_);
    visitor.integer("frozen", frozen_);
    StateScope scope(visitor, "last_signs");
    for (RegularizedWeight* weight : weights_) weight->x.visit(visitor);
  }
  void visit_deployed(StateVisitor&) override {}

 private:
  double rate_;
  std::int64_t freeze_epoch_;
  ParameterSelection selection_;
  StageInfo stage_;
  std::vector<RegularizedWeight*> weights_;  // owned by the caller of transform
  double lambda_ = 0;
  std::int64_t frozen_ = 0;
};

Options options() {
  Options o;
  o.real("reg_rate", "growth of the regularizer's strength per epoch: lambda = reg_rate * epoch")
      .unit("1/epoch")
      .min(0);
  o.integer("freeze_epoch", 0,
            "epoch (from 0) at whose beginning weights become their signs and stop learning; 0: "
            "never. The original scripts freeze after 200 of 300 epochs")
      .unit("epochs")
      .min(0);
  ParameterSelection::declare(
      o, {"*bn*", "*downsample*", "fc*.bias"},
      "default: the original code's (batch norm, shortcuts, biases of fully connected layers)");
  return o;
}

}  // namespace

void register_prox_quant(Registries& registries) {
  registries.methods.add(
      {"prox_quant", "float weights pulled to -1 and 1 by a proximal step of growing strength",
       "arXiv:1810.00861", options()},
      [](const Settings& settings) { return std::make_unique<ProxQuant>(settings); });
}

}  // namespace bitwright
