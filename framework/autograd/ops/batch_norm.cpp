#include "kernels/batch_norm.h"

#include <cmath>

#include "autograd/ops/helpers.h"

namespace bitwright {
namespace {

// Inputs: x, then scale and shift when the map is affine.
class BatchNorm final : public Op {
 public:
  BatchNorm(BatchNormState state, bool training) : state_(std::move(state)), training_(training) {}
  std::string_view name() const override { return "batch_norm"; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    const Shape& x = in[0].shape;
    require_shape(x.rank() == 2 || (x.rank() == 4 && in[0].layout == Layout::channels_last), name(),
                  x);
    channels_ = x[1];
    rows_ = x.numel() / channels_;
    for (Tensor* t : {&mean_, &inverse_sd_, &variance_, &sum_dy_, &sum_dy_xhat_})
      *t = Tensor::empty(Shape{channels_});
    for (const Tensor* t : {&state_.running_mean, &state_.running_variance})
      require_shape(t->defined() && t->shape() == Shape{channels_}, name(), t->shape());
    for (const TensorSpec& affine : in.subspan(1))
      require_shape(affine.shape == Shape{channels_}, name(), affine.shape);
    return {in[0]};
  }

  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    const float* x = in[0].f32();
    if (training_) {
      kernels::channel_moments(rows_, channels_, x, mean_.f32(), variance_.f32());
      update_running_statistics();
    } else {
      mean_.copy_from(state_.running_mean);
      variance_.copy_from(state_.running_variance);
    }
    for (std::int64_t c = 0; c < channels_; ++c)
      inverse_sd_.f32()[c] =
          1.f / std::sqrt(variance_.f32()[c] + static_cast<float>(state_.epsilon));
    const bool affine = in.size() == 3;
    kernels::normalize(rows_, channels_, x, mean_.f32(), inverse_sd_.f32(),
                       affine ? in[1].f32() : nullptr, affine ? in[2].f32() : nullptr,
                       out[0].f32());
  }

  void backward(const BackwardArgs& a) override {
    const float *x = a.inputs[0].f32(), *dy = a.output_gradients[0].f32();
    const bool affine = a.inputs.size() == 3;
    kernels::normalize_gradient_sums(rows_, channels_, x, dy, mean_.f32(), inverse_sd_.f32(),
                                     sum_dy_.f32(), sum_dy_xhat_.f32());
    if (affine && a.input_gradients[1].defined()) a.input_gradients[1].copy_from(sum_dy_xhat_);
    if (affine && a.input_gradients[2].defined()) a.input_gradients[2].copy_from(sum_dy_);
    if (!a.input_gradients[0].defined()) return;
    if (!training_) {  // fixed statistics: both sums drop out
      sum_dy_.fill(0);
      sum_dy_xhat_.fill(0);
    }
    kernels::normalize_backward(rows_, channels_, x, dy, mean_.f32(), inverse_sd_.f32(),
                                affine ? a.inputs[1].f32() : nullptr, sum_dy_.f32(),
                                sum_dy_xhat_.f32(), a.input_gradients[0].f32());
  }

 private:
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
  bool training_;
  std::int64_t rows_ = 0, channels_ = 0;
  Tensor mean_, variance_, inverse_sd_, sum_dy_, sum_dy_xhat_;
};

}  // namespace

Variable batch_norm(const Variable& x, const Variable& scale, const Variable& shift,
                    const BatchNormState& state, bool training) {
  require(scale.defined() == shift.defined(), "batch_norm: scale and shift go together");
  if (!scale.defined()) return record_op<BatchNorm>(std::array{x}, state, training);
  return record_op<BatchNorm>(std::array{x, scale, shift}, state, training);
}

}  // namespace bitwright
