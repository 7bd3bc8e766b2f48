#pragma once
// Unary element-wise ops. A function F is a pair: its value f(x), and its derivative as a function
// of what it says to read, x or y = f(x). F::bind() gives both with the parameters that hold for
// one replay; F::fuse(next), where there is one, is Op::fuse.

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "autograd/ops/helpers.h"
#include "kernels/elementwise.h"

namespace bitwright {

/// What a derivative is a function of.
enum class Reads { nothing, input, output };

template <class F>
class Unary final : public Op {
 public:
  explicit Unary(F function = {}) : function_(std::move(function)) {}
  std::string_view name() const override { return F::name; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    require_floating(in[0], name());
    return {in[0]};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    for_float_type(in[0].type(), [&, f = function_.bind()]<class T>(T*) {
      kernels::map(in[0].numel(), in[0].as<T>(), out[0].as<T>(),
                   [f](float x) { return f.value(x); });
    });
  }
  void backward(const BackwardArgs& a) override {
    const Tensor &dy = a.output_gradients[0], &read = F::reads == Reads::input    ? a.inputs[0]
                                                      : F::reads == Reads::output ? a.outputs[0]
                                                                                  : dy;
    for_float_type(dy.type(), [&, f = function_.bind()]<class T>(T*) {
      kernels::map(dy.numel(), read.as<T>(), dy.as<T>(), a.input_gradients[0].as<T>(),
                   [f](float v, float g) { return g * f.derivative(v); });
    });
  }
  bool backward_reads_input(std::size_t) const override { return F::reads == Reads::input; }
  bool backward_reads_output(std::size_t) const override { return F::reads == Reads::output; }
  std::unique_ptr<Op> fuse(const Op& next, const Seam&) const override {
    if constexpr (requires { F::fuse(next); }) return F::fuse(next);
    return nullptr;
  }

 private:
  F function_;
};

/// Functions without parameters are their own bound form.
template <class Self>
struct Plain {
  Self bind() const { return {}; }
};

template <class F, class... Parameters>
Variable unary(const Variable& x, Parameters... parameters) {
  return record_op<Unary<F>>(std::array{x}, F{parameters...});
}

}  // namespace bitwright
