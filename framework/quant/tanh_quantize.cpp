// The weights of DoReFa-Net: tanh, scaled to [-1, 1], rounded.
#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <bitwright/core/error.h>
#include <bitwright/core/vector_math.h>
#include <bitwright/quant/fake_quantize.h>
#include <bitwright/quant/row_statistics.h>

#include "kernels/rows.h"

namespace bitwright {
namespace {

// round(n (t / 2M + 1/2)): the code of a tanh; `double_max` is 2M.
float tanh_code(float t, float double_max, float n) {
  return std::nearbyint(n * (t / double_max + 0.5f));
}

// Largest |t|; 1 where all are 0, so that 0 / M is 0.
float scale_of(const Tensor& t) {
  const float largest = extremes(t)[0].magnitude();
  return largest > 0 ? largest : 1;
}

void write_tanh(const Tensor& x, Tensor& t) {
  kernels::map_rows(1, x.numel(), x.f32(), t.f32(),
                    [](std::int64_t) { return [](float v) { return vector_tanh(v); }; });
}

class TanhQuantize final : public Op {
 public:
  explicit TanhQuantize(int bits) : n_(std::ldexp(1.f, bits) - 1) {}
  std::string_view name() const override { return "tanh_quantize"; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    require(in[0].type == DType::f32, "tanh_quantize: weights are f32");
    t_ = Tensor::empty(in[0]);
    return {in[0]};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    write_tanh(in[0], t_);
    max_ = scale_of(t_);
    kernels::map_rows(1, t_.numel(), t_.f32(), out[0].f32(),
                      [n = n_, m = 2 * max_, step = 1 / n_](std::int64_t) {
                        return [=](float t) { return 2.f * (tanh_code(t, m, n) * step) - 1.f; };
                      });
  }
  void backward(const BackwardArgs& a) override {
    const float inverse = 1 / max_;
    float weighted = 0;  // sum of dy t
    Tensor& dx = a.input_gradients[0];
    kernels::map_and_sum_rows(
        1, t_.numel(), std::as_const(t_).f32(), a.output_gradients[0].f32(), dx.f32(), &weighted,
        [inverse](std::int64_t) {
          return [inverse](float t, float g) {
            return kernels::GradientAndTerm{g * (1.f - t * t) * inverse, g * t};
          };
        });
    // M is the magnitude of one element, the first of equals.
    const auto t = t_.values();
    const auto top = std::ranges::find_if(t, [&](float v) { return std::fabs(v) == max_; });
    if (top == t.end()) return;
    const float slope = 1.f - *top * *top;
    dx.f32()[top - t.begin()] -= weighted * inverse * inverse * std::copysign(slope, *top);
  }
  bool backward_reads_input(std::size_t) const override { return false; }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  float n_;
  float max_ = 1;
  Tensor t_;
};

std::shared_ptr<Grid> sign_grid(float scale) {
  return std::make_shared<Grid>(Grid{{{scale > 0 ? scale : 1, Codes::twos_complement(1)}}});
}

}  // namespace

Variable tanh_quantize(const Variable& x, int bits) {
  if (bits > 1) return x.tape().record(std::make_unique<TanhQuantize>(bits), std::array{x});
  const auto grid = sign_grid(1);
  return fake_quantize(x, grid, Estimator::identity,
                       [grid](const Tensor& w) { *grid = *sign_grid(mean_magnitude(w)[0]); });
}

Coded code_by_tanh(const Tensor& x, int bits) {
  if (bits == 1) return code_on_grid(x, *sign_grid(mean_magnitude(x)[0]));
  const float n = std::ldexp(1.f, bits) - 1;
  Tensor t = Tensor::empty(x.spec());
  write_tanh(x, t);
  const float double_max = 2 * scale_of(t);
  Coded coded{.bits = bits, .codes = {}, .scale = {2 * (1 / n)}, .offset = {-1}};
  for (const float v : t.values())
    coded.codes.push_back(static_cast<std::int32_t>(tanh_code(v, double_max, n)));
  return coded;
}

}  // namespace bitwright
