#include "autograd/ops/helpers.h"
#include "kernels/pooling.h"

namespace bitwright {
namespace {

class ShortcutA final : public Op {
 public:
  ShortcutA(std::int64_t stride, std::int64_t out_channels)
      : stride_(stride), out_channels_(out_channels) {}
  std::string_view name() const override { return "shortcut_a"; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    const Shape& x = in[0].shape;
    require_shape(x.rank() == 4 && in[0].layout == Layout::channels_last && x[1] <= out_channels_,
                  name(), x);
    require(stride_ >= 1, "shortcut_a: stride");
    plan_ = {.n = x[0], .c = x[1], .h = x[2], .w = x[3], .stride = stride_, .out_c = out_channels_};
    const Shape y{x[0], out_channels_, plan_.out_h(), plan_.out_w()};
    return {{y, in[0].type, Layout::channels_last}};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    for_float_type(in[0].type(), [&]<class T>(T*) {
      kernels::shortcut_a_forward(plan_, in[0].as<T>(), out[0].as<T>());
    });
  }
  void backward(const BackwardArgs& a) override {
    for_float_type(a.output_gradients[0].type(), [&]<class T>(T*) {
      kernels::shortcut_a_backward(plan_, a.output_gradients[0].as<T>(),
                                   a.input_gradients[0].as<T>());
    });
  }
  bool backward_reads_input(std::size_t) const override { return false; }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  std::int64_t stride_, out_channels_;
  kernels::ShortcutPlan plan_;
};

}  // namespace

Variable shortcut_a(const Variable& x, std::int64_t stride, std::int64_t out_channels) {
  return record_op<ShortcutA>(std::array{x}, stride, out_channels);
}

}  // namespace bitwright
