#include "site.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace bitwright::bit_drop {
namespace {

class QuantizeOp final : public Op {
 public:
  QuantizeOp(std::shared_ptr<Site> site, bool deployed)
      : site_(std::move(site)), deployed_(deployed) {}

  std::string_view name() const override { return "bit_drop_quantize"; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> inputs) override {
    require(is_floating(inputs[0].type), "bit_drop quantizes f32 or bf16");
    require(inputs.size() < 4 || (inputs[0].type == DType::f32 && site_->quantizer.grid.is_signed),
            "gates are for weights");
    if (!deployed_) partial_ = partial_sums(inputs[0].shape.numel());
    return {inputs[0]};
  }

  void forward(std::span<const Tensor> inputs, std::span<Tensor> outputs) override {
    const Tensor& x = inputs[0];
    if (!deployed_ && site_->initialized == 0) site_->start_from(x);
    if (!deployed_) prepare(inputs);
    for_float_type(x.type(), [&]<class T>(T*) {
      const T* in = x.as<T>();
      T* out = outputs[0].as<T>();
      if (deployed_) {
        round_and_clip(site_->quantizer.grid, inputs[1].item(), x.numel(), in, out);
      } else {
        site_->outside = quantize(site_->quantizer, scales_, noise(), x.numel(), in, out);
        site_->values = x.numel();
      }
    });
  }

  void backward(const BackwardArgs& args) override {
    const Tensor &x = args.inputs[0], &dy = args.output_gradients[0];
    Tensor dx =
        args.input_gradients[0].defined() ? args.input_gradients[0] : Tensor::empty(x.spec());
    Gradients sums;
    for_float_type(x.type(), [&]<class T>(T*) {
      sums = pull_back(site_->quantizer, scales_, noise(), x.numel(), x.as<T>(), dy.as<T>(),
                       dx.as<T>(), partial_);
    });
    const std::array by_scale{sums.alpha, sums.sigma};
    for (std::size_t i = 0; i < 2; ++i)
      if (args.input_gradients[i + 1].defined())
        *args.input_gradients[i + 1].f32() = static_cast<float>(by_scale[i]);
    if (args.input_gradients.size() > 3 && args.input_gradients[3].defined())
      gates_.pull_back(sums.level, args.input_gradients[3].values());
  }

  bool backward_reads_input(std::size_t i) const override { return i == 0; }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  // What this step's forward and backward pass share.
  void prepare(std::span<const Tensor> inputs) {
    scales_ = {inputs[1].item(), inputs[2].item(), {}};
    if (inputs.size() < 4) return;
    const Rng rng(site_->seed, "bit_drop.gates", hash_name(site_->name), step());
    std::array<double, kMostBits> uniform;
    for (std::size_t k = 0; k < kMostBits; ++k) uniform[k] = rng.uniform(k);
    gates_ = Gates::sample(site_->law, inputs[3].values(), uniform);
    scales_.masks = gates_.masks();
  }

  std::uint64_t step() const { return static_cast<std::uint64_t>(site_->step.get()); }
  Rng noise() const { return Rng(site_->seed, "bit_drop.gumbel", hash_name(site_->name), step()); }

  std::shared_ptr<Site> site_;
  bool deployed_;
  Scales scales_;
  Gates gates_;
  std::vector<double> partial_;
};

}  // namespace

Site::Site(std::string name_, const GridQuantizer& quantizer_)
    : name(std::move(name_)),
      quantizer(quantizer_),
      alpha(Tensor::zeros({1})),
      sigma(Tensor::zeros({1})) {}

void Site::start(double step_size) {
  *alpha.f32() = std::max(static_cast<float>(step_size), kSmallestStep);
  *sigma.f32() = static_cast<float>(bounds.sigma_start) * alpha.item();
  initialized = 1;
  constrain();
}

void Site::constrain() {
  float &a = *alpha.f32(), &s = *sigma.f32();
  a = std::max(a, kSmallestStep);
  s = std::max(s, static_cast<float>(bounds.sigma_ratio) * a);
  if (!ln_a.defined()) return;
  const float limit = std::log(100.0f);
  for (float& gate : ln_a.values()) gate = std::clamp(gate, -limit, limit);
}

void Site::start_from(const Tensor& x) {
  float low = 0, high = 0;
  for_float_type(x.type(), [&]<class T>(T*) {
    const T* values = x.as<T>();
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      low = std::min(low, float(values[i]));
      high = std::max(high, float(values[i]));
    }
  });
  if (low < 0)
    throw config_error(
        where, fmt::format("{} has negative values, such as {}", name, low),
        "values from 0 on, as after a ReLU, because the grid of activations starts at 0",
        "activation_bits: 32, or exclude the layer's weight");
  const double steps = quantizer.grid.last();
  start(high > 0 ? static_cast<double>(high) / steps : 1 / steps);
}

Variable quantized(const std::shared_ptr<Site>& site, const Variable& x, const SiteVariables& v,
                   bool deployed) {
  std::vector<Variable> inputs{x, v.alpha, v.sigma};
  if (v.ln_a.defined()) inputs.push_back(v.ln_a);
  return x.tape().record(std::make_unique<QuantizeOp>(site, deployed), inputs);
}

}  // namespace bitwright::bit_drop
