// Weights of frozen width: fine-tuning in the manner of DoReFa, section 3.7.

#include <bit>
#include <cmath>
#include <utility>

#include "weights.h"

namespace bitwright::bsq {
namespace {

// x [...], s [1] -> W = s Q_n(x), straight through rounding and clamp.
class QuantizeFrozen final : public Op {
 public:
  explicit QuantizeFrozen(std::shared_ptr<const int> bits) : bits_(std::move(bits)) {}
  std::string_view name() const override { return "quantize_frozen"; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> inputs) override {
    return {inputs[0]};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    quantize(in[0].values(), {*bits_, in[1].item()}, out[0].values());
  }
  void backward(const BackwardArgs& a) override {
    const float scale = a.inputs[1].item();
    const double product =
        quantize_backward({*bits_, scale}, a.outputs[0].values(), a.output_gradients[0].values(),
                          a.input_gradients[0].values());
    a.input_gradients[1].f32()[0] =
        scale != 0 ? static_cast<float>(product / static_cast<double>(scale)) : 0;
  }
  bool backward_reads_input(std::size_t k) const override { return k == 1; }

 private:
  std::shared_ptr<const int> bits_;
};

class FrozenWeight final : public QuantizedWeight {
 public:
  FrozenWeight(const Parameter& parameter, Precision given, double scale_rate)
      : QuantizedWeight(parameter),
        clipped_(parameter.kind != ParameterKind::bias),
        scale_rate_(scale_rate),
        bits_(std::make_shared<int>(given.bits)) {
    const std::span<const float> w = parameter.value.values();
    const float s = given.scale != 0 ? given.scale : scale_of(w);
    x_ = Tensor::zeros(parameter.value.shape());
    scale_ = Tensor::full({1}, s);
    if (*bits_ == 0) return;
    bool empty = true;
    for (std::int64_t i = 0; i < x_.numel(); ++i) {
      const std::int32_t code = code_of(w.data()[i] / s, *bits_);
      x_.f32()[i] = static_cast<float>(code) / static_cast<float>(levels(*bits_));
      empty = empty && code == 0;
    }
    if (*bits_ == 1 && empty) *bits_ = 0;  // a layer that the planes left without any weight
  }

  std::vector<Tensor> latents() override { return {x_, scale_}; }
  UpdateRule rule(std::size_t i) const override {
    return i == 1 ? UpdateRule{.rate = scale_rate_} : UpdateRule{};
  }
  Variable effective(Forward& forward, std::span<const Variable> latents) override {
    return forward.tape.record(std::make_unique<QuantizeFrozen>(bits_), latents);
  }
  void write_deployed(Deployment, Tensor& out) const override {
    quantize(x_.values(), precision(), out.values());
  }

  std::optional<Coded> coded() const override {
    Coded c;
    c.bits = *bits_ == 0 ? 0 : *bits_ + 1;
    c.first = *bits_ == 0 ? 0 : -(std::int32_t{1} << *bits_);
    for (const float x : x_.values()) c.codes.push_back(code_of(x, *bits_));
    c.scale = {step_of(precision())};
    return c;
  }

  TensorReport report() const override {
    TensorReport r{precision(), *bits_, 0, 0, {}};
    std::int64_t ones = 0;
    for (const float x : x_.values())
      ones += std::popcount(static_cast<std::uint32_t>(std::abs(code_of(x, *bits_))));
    if (*bits_ > 0)
      r.nonzero_bits = static_cast<double>(ones) / (static_cast<double>(elements()) * *bits_);
    return r;
  }

  // Biases are not clipped (3.7).
  void after_update() override {
    if (clipped_) clip(x_.values(), -1, 1);
  }

  void visit(StateVisitor& visitor) override {
    std::int64_t bits = *bits_;
    visitor.integer(name(), bits);
    *bits_ = static_cast<int>(bits);
  }

 private:
  Precision precision() const { return {*bits_, scale_.item()}; }

  bool clipped_;
  double scale_rate_;
  std::shared_ptr<int> bits_;
  Tensor x_, scale_;
};

}  // namespace

std::unique_ptr<QuantizedWeight> make_frozen_weight(const Parameter& parameter, Precision precision,
                                                    double scale_rate) {
  return std::make_unique<FrozenWeight>(parameter, precision, scale_rate);
}

}  // namespace bitwright::bsq
