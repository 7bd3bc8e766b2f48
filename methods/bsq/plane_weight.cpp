// Weights as bit planes: sections 3.2 to 3.6 of the paper.

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "weights.h"

namespace bitwright::bsq {
namespace {

// What the transform and the op on the tape share. Its width changes between replays.
struct State {
  int bits = 0;
  std::int64_t elements = 0;
  int capacity = 0;
  std::shared_ptr<const LassoStrength> strength;
};

ConstPlanes planes_of(const Tensor& positive, const Tensor& negative, std::int64_t elements) {
  return {positive.f32(), negative.f32(), elements};
}

// P and M [capacity, ...], s [1] -> W [...] and its part of the loss, alpha N n / N_tot B(W) [].
class WeighPlanes final : public Op {
 public:
  explicit WeighPlanes(std::shared_ptr<const State> state) : state_(std::move(state)) {
    squares_.resize(static_cast<std::size_t>(state_->capacity));
    pull_.resize(static_cast<std::size_t>(state_->capacity));
  }

  std::string_view name() const override { return "weigh_planes"; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> inputs) override {
    const std::vector<std::int64_t>& dims = inputs[0].shape.dims();
    return {TensorSpec{Shape(std::vector<std::int64_t>(dims.begin() + 1, dims.end()))},
            TensorSpec{Shape{}}};
  }

  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    weigh(planes_of(in[0], in[1], state_->elements), {state_->bits, in[2].item()}, out[0].values(),
          scratch_, squares_);
    out[1].f32()[0] = static_cast<float>(factor() * lasso_of(current(squares_)));
  }

  void backward(const BackwardArgs& a) override {
    const Precision precision{state_->bits, a.inputs[2].item()};
    const double strength = factor() * static_cast<double>(a.output_gradients[1].item());
    for (int b = 0; b < state_->bits; ++b)
      pull_[static_cast<std::size_t>(b)] =
          strength / plane_norm(squares_[static_cast<std::size_t>(b)]);
    const double product = pull_back(
        planes_of(a.inputs[0], a.inputs[1], state_->elements), precision, a.outputs[0].values(),
        a.output_gradients[0].values(), current(pull_), state_->capacity,
        {a.input_gradients[0].f32(), a.input_gradients[1].f32(), state_->elements});
    const double scale = static_cast<double>(precision.scale);
    a.input_gradients[2].f32()[0] = scale != 0 ? static_cast<float>(product / scale) : 0;
  }

  bool backward_reads_output(std::size_t k) const override { return k == 0; }

 private:
  double factor() const { return state_->strength->of(state_->elements, state_->bits); }
  std::span<double> current(std::vector<double>& all) const {
    return {all.data(), static_cast<std::size_t>(state_->bits)};
  }

  std::shared_ptr<const State> state_;
  std::vector<double> squares_, pull_;
  Partials scratch_;
};

class PlaneWeight final : public QuantizedWeight {
 public:
  PlaneWeight(const Parameter& parameter, const PlaneOptions& options,
              std::shared_ptr<const LassoStrength> strength)
      : QuantizedWeight(parameter), options_(options), state_(std::make_shared<State>()) {
    *state_ = {options.initial_bits, elements(), options.most_bits, std::move(strength)};
    std::vector<std::int64_t> dims = parameter.value.shape().dims();
    dims.insert(dims.begin(), options.most_bits);
    positive_ = Tensor::zeros(Shape(dims));
    negative_ = Tensor::zeros(Shape(dims));
    const float s = scale_of(parameter.value.values());
    scale_ = Tensor::full({1}, s);
    write_planes(parameter.value.values(), {state_->bits, s}, options.most_bits, planes());
    adjust();  // epoch 0 is a multiple of every interval
  }

  std::vector<Tensor> latents() override { return {positive_, negative_, scale_}; }

  UpdateRule rule(std::size_t i) const override {
    return i == 2 ? UpdateRule{.rate = options_.scale_rate} : UpdateRule{};
  }

  Variable effective(Forward& forward, std::span<const Variable> latents) override {
    const auto outputs = forward.tape.record_many(std::make_unique<WeighPlanes>(state_), latents);
    lasso_ = outputs[1];
    return outputs[0];
  }

  Variable lasso() const override { return lasso_; }

  void write_deployed(Deployment deployment, Tensor& out) const override {
    if (deployment == Deployment::hard)
      return write_weights(planes(), state_->bits, look(), out.values());
    Partials scratch;
    std::vector<double> squares(static_cast<std::size_t>(state_->bits));
    weigh(planes(), precision(), out.values(), scratch, squares);
  }

  std::optional<Coded> coded() const override {
    const Snapshot now = look();
    Coded c;  // two's complement: the sign takes a bit beside the magnitude's
    c.bits = now.precision.bits + 1;
    c.first = -(std::int32_t{1} << now.precision.bits);
    c.codes.resize(static_cast<std::size_t>(elements()));
    write_codes(planes(), state_->bits, now.adjustment, c.codes);
    c.scale = {step_of(now.precision)};
    return c;
  }

  TensorReport report() const override {
    const Snapshot now = look();
    TensorReport r{now.precision, state_->bits, 0, lasso_of(now.squares), {}};
    r.nonzero_bits =
        static_cast<double>(now.nonzero_bits) / (static_cast<double>(elements()) * state_->bits);
    for (const double s : now.squares) r.plane_norms.push_back(plane_norm(s));
    return r;
  }

  void after_update() override { clip(planes(), state_->bits); }

  bool adjust() override {
    const Snapshot now = look();
    requantize(planes(), state_->bits, now, options_.most_bits);
    state_->bits = now.precision.bits;
    scale_.f32()[0] = now.precision.scale;
    return true;
  }

  void visit(StateVisitor& visitor) override {
    std::int64_t bits = state_->bits;
    visitor.integer(name(), bits);
    state_->bits = static_cast<int>(bits);
  }

 private:
  Planes planes() { return {positive_.f32(), negative_.f32(), elements()}; }
  ConstPlanes planes() const { return planes_of(positive_, negative_, elements()); }
  Precision precision() const { return {state_->bits, scale_.item()}; }
  Snapshot look() const { return look_at(planes(), precision(), options_.most_bits); }

  PlaneOptions options_;
  std::shared_ptr<State> state_;
  Tensor positive_, negative_, scale_;
  Variable lasso_;
};

}  // namespace

double LassoStrength::of(std::int64_t elements, int bits) const {
  if (!reweigh) return alpha;
  return alpha * static_cast<double>(elements) * bits / static_cast<double>(all_elements);
}

double plane_norm(double squares) { return std::sqrt(1e-8 + squares); }

double lasso_of(std::span<const double> squares) {
  double sum = 0;
  for (const double s : squares) sum += plane_norm(s);
  return sum;
}

std::unique_ptr<QuantizedWeight> make_plane_weight(const Parameter& parameter,
                                                   const PlaneOptions& options,
                                                   std::shared_ptr<const LassoStrength> strength) {
  return std::make_unique<PlaneWeight>(parameter, options, std::move(strength));
}

}  // namespace bitwright::bsq
