#include "kernels/batch_norm.h"

#include <cmath>

#include "autograd/ops/fused.h"
#include "autograd/ops/helpers.h"

namespace bitwright {
namespace {

// Inputs: x; scale and shift when the map is affine; the residual, when one is fused in.
//   y = (x - mean) / sd * scale + shift (+ residual), then max(0, y) when the ReLU is fused in.
class BatchNorm final : public Op {
 public:
  BatchNorm(BatchNormState state, bool training, bool affine)
      : state_(std::move(state)), training_(training), affine_(affine) {}
  std::string_view name() const override {
    return relu_ ? (residual_ ? "batch_norm+add+relu" : "batch_norm+relu")
                 : (residual_ ? "batch_norm+add" : "batch_norm");
  }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    const Shape& x = in[0].shape;
    require_shape(x.rank() == 2 || (x.rank() == 4 && in[0].layout == Layout::channels_last), name(),
                  x);
    rows_ = x.numel() / x[1];
    channels_ = x[1];
    const Shape channels{channels_};
    for (Tensor* t : {&mean_, &inverse_sd_, &variance_, &sum_g_, &sum_g_xhat_})
      *t = Tensor::empty(channels);
    for (const Tensor* t : {&state_.running_mean, &state_.running_variance})
      require_shape(t->defined() && t->shape() == channels, name(), t->shape());
    if (affine_)
      for (const TensorSpec& factor : in.subspan(1, 2))
        require_shape(factor.shape == channels, name(), factor.shape);
    return {in[0]};
  }

  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    for_float_type(in[0].type(), [&]<class T>(T*) {
      if (training_) {
        kernels::channel_moments(rows_, channels_, in[0].as<T>(), mean_.f32(), variance_.f32());
        update_running_statistics();
      } else {
        mean_.copy_from(state_.running_mean);
        variance_.copy_from(state_.running_variance);
      }
      for (std::int64_t c = 0; c < channels_; ++c)
        inverse_sd_.f32()[c] =
            1.f / std::sqrt(variance_.f32()[c] + static_cast<float>(state_.epsilon));
      kernels::normalize(normalization(in), in[0].as<T>(), residual_ ? in.back().as<T>() : nullptr,
                         out[0].as<T>());
    });
  }

  void backward(const BackwardArgs& a) override {
    for_float_type(a.output_gradients[0].type(), [&]<class T>(T*) { backward_of<T>(a); });
  }
  bool backward_reads_input(std::size_t k) const override { return k <= (affine_ ? 1 : 0); }
  bool backward_reads_output(std::size_t) const override { return relu_; }

  std::unique_ptr<Op> fuse(const Op& next, const Seam& seam) const override {
    if (relu_) return nullptr;
    auto fused = std::make_unique<BatchNorm>(state_, training_, affine_);
    fused->residual_ = residual_ || adds_residual(next, seam);
    fused->relu_ = next.name() == "relu";
    return fused->relu_ || fused->residual_ != residual_ ? std::move(fused) : nullptr;
  }
  /// Alone, with running statistics.
  std::optional<FixedNorm> fixed() const {
    if (training_ || residual_ || relu_) return std::nullopt;
    return FixedNorm{state_, affine_};
  }

 private:
  template <class T>
  void backward_of(const BackwardArgs& a) {
    const T *x = a.inputs[0].as<T>(), *dy = a.output_gradients[0].as<T>();
    const T* y = relu_ ? a.outputs[0].as<T>() : nullptr;
    kernels::Normalization n = normalization(a.inputs.first(affine_ ? 2 : 1));
    T* residual_gradient = nullptr;
    if (residual_ && a.input_gradients.back().defined())
      residual_gradient = a.input_gradients.back().as<T>();
    kernels::normalize_gradient_sums(n, x, y, dy, residual_gradient, sum_g_.f32(),
                                     sum_g_xhat_.f32());
    if (affine_ && a.input_gradients[1].defined()) a.input_gradients[1].copy_from(sum_g_xhat_);
    if (affine_ && a.input_gradients[2].defined()) a.input_gradients[2].copy_from(sum_g_);
    if (!a.input_gradients[0].defined()) return;
    if (!training_) {  // fixed statistics: both sums drop out
      sum_g_.fill(0);
      sum_g_xhat_.fill(0);
    }
    if (residual_gradient != nullptr) {  // it is dy behind the ReLU already
      dy = residual_gradient;
      n.relu = false;
    }
    kernels::normalize_backward(n, x, y, dy, sum_g_.f32(), sum_g_xhat_.f32(),
                                a.input_gradients[0].as<T>());
  }

  // Backward passes no shift: it reads none.
  kernels::Normalization normalization(std::span<const Tensor> in) const {
    return {.rows = rows_,
            .channels = channels_,
            .mean = mean_.f32(),
            .inverse_sd = inverse_sd_.f32(),
            .scale = affine_ ? in[1].f32() : nullptr,
            .shift = affine_ && in.size() > 2 ? in[2].f32() : nullptr,
            .relu = relu_};
  }

  void update_running_statistics() {
    const float m = static_cast<float>(state_.momentum);
    const float unbiased =
        rows_ > 1 ? static_cast<float>(rows_) / static_cast<float>(rows_ - 1) : 1.f;
    float *mean = state_.running_mean.f32(), *variance = state_.running_variance.f32();
    for (std::int64_t c = 0; c < channels_; ++c) {
      mean[c] += m * (mean_.f32()[c] - mean[c]);
      variance[c] += m * (unbiased * variance_.f32()[c] - variance[c]);
    }
  }

  BatchNormState state_;
  bool training_, affine_, residual_ = false, relu_ = false;
  std::int64_t rows_ = 0, channels_ = 0;
  Tensor mean_, variance_, inverse_sd_, sum_g_, sum_g_xhat_;
};

}  // namespace

std::optional<FixedNorm> fixed_norm(const Op& op) {
  const auto* norm = dynamic_cast<const BatchNorm*>(&op);
  return norm == nullptr ? std::nullopt : norm->fixed();
}

bool adds_residual(const Op& next, const Op::Seam& seam) {
  return next.name() == "add" && seam.inputs.size() == 2 && seam.inputs[0] == seam.inputs[1];
}

Variable batch_norm(const Variable& x, const Variable& scale, const Variable& shift,
                    const BatchNormState& state, bool training) {
  require(scale.defined() == shift.defined(), "batch_norm: scale and shift go together");
  if (!scale.defined()) return record_op<BatchNorm>(std::array{x}, state, training, false);
  return record_op<BatchNorm>(std::array{x, scale, shift}, state, training, true);
}

}  // namespace bitwright
