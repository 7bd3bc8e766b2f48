#include "autograd/ops/helpers.h"
#include "kernels/pooling.h"

namespace bitwright {
namespace {

class GlobalAvgPool final : public Op {
 public:
  std::string_view name() const override { return "global_avg_pool"; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    const Shape& x = in[0].shape;
    require_shape(x.rank() == 4 && in[0].layout == Layout::channels_last && x.numel() > 0, name(),
                  x);
    n_ = x[0];
    c_ = x[1];
    pixels_ = x[2] * x[3];
    return {{Shape{n_, c_}, in[0].type}};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    for_float_type(in[0].type(), [&]<class T>(T*) {
      kernels::global_avg_forward(n_, pixels_, c_, in[0].as<T>(), out[0].as<T>());
    });
  }
  void backward(const BackwardArgs& a) override {
    for_float_type(a.output_gradients[0].type(), [&]<class T>(T*) {
      kernels::global_avg_backward(n_, pixels_, c_, a.output_gradients[0].as<T>(),
                                   a.input_gradients[0].as<T>());
    });
  }
  bool backward_reads_input(std::size_t) const override { return false; }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  std::int64_t n_ = 0, c_ = 0, pixels_ = 0;
};

}  // namespace

Variable global_avg_pool(const Variable& x) { return record_op<GlobalAvgPool>(std::array{x}); }

}  // namespace bitwright
