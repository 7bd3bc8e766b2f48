#include "autograd/ops/helpers.h"
#include "kernels/elementwise.h"
#include "kernels/softmax.h"

namespace bitwright {
namespace {

class CrossEntropy final : public Op {
 public:
  explicit CrossEntropy(double smoothing) : smoothing_(static_cast<float>(smoothing)) {
    require(smoothing >= 0 && smoothing <= 1, "cross_entropy: label smoothing outside [0, 1]");
  }
  std::string_view name() const override { return "cross_entropy"; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    require_shape(in[0].shape.rank() == 2, name(), in[0].shape);
    require_shape(in[1].type == DType::i32 && in[1].shape == Shape{in[0].shape[0]}, name(),
                  in[1].shape);
    rows_ = in[0].shape[0], classes_ = in[0].shape[1];
    probabilities_ = Tensor::empty(in[0].shape);
    return {{Shape{}}};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    const std::int32_t* labels = in[1].i32();
    for (std::int64_t r = 0; r < rows_; ++r)
      require(labels[r] >= 0 && labels[r] < classes_, "cross_entropy: label outside the classes");
    *out[0].f32() = static_cast<float>(kernels::softmax_cross_entropy(
        rows_, classes_, in[0].f32(), labels, probabilities_.f32(), smoothing_));
  }
  void backward(const BackwardArgs& a) override {
    kernels::softmax_cross_entropy_backward(rows_, classes_, probabilities_.f32(),
                                            a.inputs[1].i32(), a.output_gradients[0].item(),
                                            a.input_gradients[0].f32(), smoothing_);
  }
  bool backward_reads_input(std::size_t k) const override { return k == 1; }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  float smoothing_;
  std::int64_t rows_ = 0, classes_ = 0;
  Tensor probabilities_;
};

// loss = -1/N sum t log p,  p = softmax(x).
// dx = (p sum_c t - t) / N,   dt = -log p / N.
class SoftCrossEntropy final : public Op {
 public:
  std::string_view name() const override { return "soft_cross_entropy"; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    require_shape(in[0].shape.rank() == 2, name(), in[0].shape);
    require_shape(in[1].shape == in[0].shape, name(), in[1].shape);
    rows_ = in[0].shape[0], classes_ = in[0].shape[1];
    log_p_ = Tensor::empty(in[0].shape);
    return {{Shape{}}};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    kernels::log_softmax(rows_, classes_, in[0].f32(), log_p_.f32());
    *out[0].f32() = static_cast<float>(-kernels::dot(in[1].numel(), in[1].f32(), log_p_.f32()) /
                                       static_cast<double>(rows_));
  }
  void backward(const BackwardArgs& a) override {
    const float factor = a.output_gradients[0].item() / static_cast<float>(rows_);
    if (a.input_gradients[0].defined())
      kernels::soft_cross_entropy_backward(rows_, classes_, log_p_.f32(), a.inputs[1].f32(), factor,
                                           a.input_gradients[0].f32());
    if (a.input_gradients[1].defined())
      kernels::map(log_p_.numel(), log_p_.f32(), a.input_gradients[1].f32(),
                   [factor](float log_p) { return -factor * log_p; });
  }
  bool backward_reads_input(std::size_t k) const override { return k == 1; }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  std::int64_t rows_ = 0, classes_ = 0;
  Tensor log_p_;
};

}  // namespace

Variable cross_entropy(const Variable& logits, const Variable& labels, double label_smoothing) {
  return record_op<CrossEntropy>(std::array{logits, labels}, label_smoothing);
}
Variable soft_cross_entropy(const Variable& logits, const Variable& targets) {
  return record_op<SoftCrossEntropy>(std::array{logits, targets});
}

}  // namespace bitwright
