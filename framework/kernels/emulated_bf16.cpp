#include "kernels/emulated_bf16.h"

#include "kernels/convolution_epilogue.h"
#include "kernels/elementwise.h"

namespace bitwright::kernels {

const float* Widened::from(const void* bf16) {
  map(values_.numel(), static_cast<const bfloat16*>(bf16), values_.f32(),
      [](float v) { return v; });
  return values_.f32();
}

const float* Widened::rounded(const float* f32) {
  map(values_.numel(), f32, values_.f32(), [](float v) { return float(bfloat16(v)); });
  return values_.f32();
}

void Widened::round_to(void* bf16) const {
  map(values_.numel(), values_.f32(), static_cast<bfloat16*>(bf16), [](float v) { return v; });
}

namespace {

ConvShape in_f32(ConvShape shape) {
  shape.type = DType::f32;
  shape.epilogue = {};
  return shape;
}
std::int64_t input_size(const ConvShape& s) { return s.n * s.c * s.h * s.w; }
std::int64_t output_size(const ConvShape& s) {
  return s.n * s.out_channels * s.out_h() * s.out_w();
}

class EmulatedForward final : public ConvForward {
 public:
  explicit EmulatedForward(const ConvShape& s)
      : shape_(s),
        inner_(direct_forward(in_f32(s))),
        x_(input_size(s)),
        weight_(s.weight().numel()),
        y_(output_size(s)) {}
  void run(const void* x, const float* weight, const ConvEpilogueData& more, void* y) override {
    inner_->run(x_.from(x), weight_.rounded(weight), {}, y_.place());
    finish_outputs(shape_, more, y_.place(), static_cast<bfloat16*>(y));
  }

 private:
  ConvShape shape_;
  std::unique_ptr<ConvForward> inner_;
  Widened x_, weight_, y_;
};

class EmulatedBackwardData final : public ConvBackwardData {
 public:
  explicit EmulatedBackwardData(const ConvShape& s)
      : inner_(direct_backward_data(in_f32(s))),
        dy_(output_size(s)),
        weight_(s.weight().numel()),
        dx_(input_size(s)) {}
  void run(const void* dy, const float* weight, void* dx) override {
    inner_->run(dy_.from(dy), weight_.rounded(weight), dx_.place());
    dx_.round_to(dx);
  }

 private:
  std::unique_ptr<ConvBackwardData> inner_;
  Widened dy_, weight_, dx_;
};

class EmulatedBackwardWeights final : public ConvBackwardWeights {
 public:
  explicit EmulatedBackwardWeights(const ConvShape& s)
      : inner_(direct_backward_weights(in_f32(s))), x_(input_size(s)), dy_(output_size(s)) {}
  void run(const void* x, const void* dy, float* dw) override {
    inner_->run(x_.from(x), dy_.from(dy), dw);
  }

 private:
  std::unique_ptr<ConvBackwardWeights> inner_;
  Widened x_, dy_;
};

}  // namespace

std::unique_ptr<ConvForward> emulated_forward(const ConvShape& shape) {
  return std::make_unique<EmulatedForward>(shape);
}
std::unique_ptr<ConvBackwardData> emulated_backward_data(const ConvShape& shape) {
  return std::make_unique<EmulatedBackwardData>(shape);
}
std::unique_ptr<ConvBackwardWeights> emulated_backward_weights(const ConvShape& shape) {
  return std::make_unique<EmulatedBackwardWeights>(shape);
}

}  // namespace bitwright::kernels
