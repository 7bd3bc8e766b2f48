#include "kurtosis_term.h"

#include <algorithm>
#include <utility>

#include <bitwright/core/error.h>

namespace bitwright::kure {
namespace {

double square(double x) { return x * x; }

std::size_t largest(const TermOptions& options, std::span<const double> kurtosis) {
  std::size_t best = 0;
  for (std::size_t l = 1; l < kurtosis.size(); ++l)
    if (square(kurtosis[l] - options.target) > square(kurtosis[best] - options.target)) best = l;
  return best;
}

class KurtosisTerm final : public Op {
 public:
  KurtosisTerm(const TermOptions& options, std::shared_ptr<std::vector<double>> kurtosis)
      : options_(options), kurtosis_(std::move(kurtosis)) {}

  std::string_view name() const override { return "kurtosis_term"; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    for (const TensorSpec& spec : in)
      require(spec.type == DType::f32 && spec.shape.numel() > 0, "kurtosis of f32 weights");
    moments_.resize(in.size());
    kurtosis_->assign(in.size(), 0);
    return {TensorSpec{Shape{}}};
  }

  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    for (std::size_t l = 0; l < in.size(); ++l) {
      moments_[l] = meter_.measure(in[l].values());
      // A tensor of equal numbers has no shape to be pulled.
      (*kurtosis_)[l] =
          moments_[l].deviation > 0 ? moments_[l].kurtosis(options_.ddof) : options_.target;
    }
    *out[0].f32() = static_cast<float>(term_value(options_, *kurtosis_));
  }

  void backward(const BackwardArgs& args) override {
    const auto dy = static_cast<double>(args.output_gradients[0].item());
    for (std::size_t l = 0; l < args.inputs.size(); ++l)
      if (args.input_gradients[l].defined())
        kurtosis_gradient(args.inputs[l].values(), moments_[l], options_.ddof,
                          dy * term_slope(options_, *kurtosis_, l),
                          args.input_gradients[l].values());
  }

  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  const TermOptions options_;
  const std::shared_ptr<std::vector<double>> kurtosis_;
  MomentMeter meter_;
  std::vector<Moments> moments_;
};

}  // namespace

double term_value(const TermOptions& options, std::span<const double> kurtosis) {
  if (options.mode == Mode::max)
    return options.lambda * square(kurtosis[largest(options, kurtosis)] - options.target);
  double sum = 0;
  for (const double k : kurtosis) sum += square(k - options.target);
  const double terms = options.mode == Mode::avg ? static_cast<double>(kurtosis.size()) : 1;
  return options.lambda * sum / terms;
}

double term_slope(const TermOptions& options, std::span<const double> kurtosis, std::size_t l) {
  const double slope = 2 * options.lambda * (kurtosis[l] - options.target);
  if (options.mode == Mode::avg) return slope / static_cast<double>(kurtosis.size());
  if (options.mode == Mode::sum) return slope;
  return l == largest(options, kurtosis) ? slope : 0;
}

Variable kurtosis_term(const TermOptions& options, std::span<const Variable> weights,
                       std::shared_ptr<std::vector<double>> kurtosis) {
  return weights[0].tape().record(std::make_unique<KurtosisTerm>(options, std::move(kurtosis)),
                                  weights);
}

}  // namespace bitwright::kure
