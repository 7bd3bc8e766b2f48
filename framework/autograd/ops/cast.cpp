#include "autograd/ops/helpers.h"
#include "kernels/elementwise.h"

namespace bitwright {
namespace {

// Between the floating types; the gradient is cast the other way.
class Cast final : public Op {
 public:
  explicit Cast(DType type) : type_(type) {}
  std::string_view name() const override { return "cast"; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    require(is_floating(in[0].type) && is_floating(type_), "cast: a type is not floating");
    return {{in[0].shape, type_, in[0].layout}};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    convert(in[0], out[0]);
  }
  void backward(const BackwardArgs& a) override {
    convert(a.output_gradients[0], a.input_gradients[0]);
  }
  bool backward_reads_input(std::size_t) const override { return false; }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  static void convert(const Tensor& from, Tensor& to) {
    for_float_type(from.type(), [&]<class From>(From*) {
      for_float_type(to.type(), [&]<class To>(To*) {
        kernels::map(from.numel(), from.as<From>(), to.as<To>(), [](float x) { return x; });
      });
    });
  }

  DType type_;
};

}  // namespace

Variable cast(const Variable& x, DType type) {
  return x.spec().type == type ? x : record_op<Cast>(std::array{x}, type);
}

}  // namespace bitwright
