#include "kernels/dropout.h"

#include "autograd/ops/helpers.h"

namespace bitwright {
namespace {

class Dropout final : public Op {
 public:
  Dropout(Scalar probability, DropoutStream stream)
      : probability_(std::move(probability)), stream_(std::move(stream)) {}
  std::string_view name() const override { return "dropout"; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    require_floating(in[0], name());
    keep_ = Tensor::empty({in[0].shape, DType::u8, in[0].layout});
    return {in[0]};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    const double p = probability_.get();
    require(p >= 0 && p < 1, "dropout: probability outside [0, 1)");
    const Rng rng(stream_.seed, "dropout", hash_name(stream_.layer),
                  static_cast<std::uint64_t>(stream_.step.get()));
    kernels::draw_mask(rng, keep_.numel(), p, keep_.u8());
    factor_ = static_cast<float>(1 / (1 - p));
    apply(in[0], out[0]);
  }
  void backward(const BackwardArgs& a) override {
    apply(a.output_gradients[0], a.input_gradients[0]);
  }
  bool backward_reads_input(std::size_t) const override { return false; }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  void apply(const Tensor& from, Tensor& to) const {
    for_float_type(from.type(), [&]<class T>(T*) {
      kernels::apply_mask(from.numel(), keep_.u8(), factor_, from.as<T>(), to.as<T>());
    });
  }

  Scalar probability_;
  DropoutStream stream_;
  Tensor keep_;  // u8
  float factor_ = 1;
};

}  // namespace

Variable dropout(const Variable& x, Scalar probability, const DropoutStream& stream,
                 bool training) {
  if (!training) return x;
  return record_op<Dropout>(std::array{x}, std::move(probability), stream);
}

}  // namespace bitwright
