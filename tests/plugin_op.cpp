// An op as a plugin writes one: it derives from Op, sees public headers only, and is recorded,
// replayed, differentiated and gradient-checked like the built-in ones.
#include <array>
#include <cmath>
#include <memory>

#include <doctest/doctest.h>

#include <bitwright/autograd/ops.h>
#include <bitwright/core/parallel.h>

#include "gradient_check.h"

using namespace bitwright;

namespace {

// y = x^2 / (x^2 + s), s > 0 a learned number [1]: two inputs, something kept for backward.
class Saturate final : public Op {
 public:
  std::string_view name() const override { return "saturate"; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    if (in[1].shape != Shape{1}) throw std::logic_error("saturate: s is one number");
    slope_ = Tensor::empty(in[0]);
    return {in[0]};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    const float* x = in[0].f32();
    float *y = out[0].f32(), *slope = slope_.f32();
    const float s = in[1].item();
    parallel_for(in[0].numel(), 4096, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const float d = x[i] * x[i] + s;
        y[i] = x[i] * x[i] / d;
        slope[i] = 2 * s * x[i] / (d * d);
      }
    });
  }
  void backward(const BackwardArgs& a) override {
    const float *x = a.inputs[0].f32(), *dy = a.output_gradients[0].f32(), *slope = slope_.f32();
    const std::int64_t n = a.inputs[0].numel();
    if (a.input_gradients[0].defined()) {
      float* dx = a.input_gradients[0].f32();
      parallel_for(n, 4096, [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) dx[i] = slope[i] * dy[i];
      });
    }
    if (a.input_gradients[1].defined()) {
      const float s = a.inputs[1].item();
      *a.input_gradients[1].f32() =
          static_cast<float>(parallel_sum(n, 4096, [=](std::int64_t begin, std::int64_t end) {
            double sum = 0;
            for (std::int64_t i = begin; i < end; ++i) {
              const double d = x[i] * x[i] + s;
              sum -= dy[i] * x[i] * x[i] / (d * d);
            }
            return sum;
          }));
    }
  }

 private:
  Tensor slope_;
};

Variable saturate(const Variable& x, const Variable& s) {
  return x.tape().record(std::make_unique<Saturate>(), std::array{x, s});
}

std::vector<gradient_check::Case> cases() {
  using gradient_check::Array;
  using gradient_check::Sample;
  std::vector<gradient_check::Case> all;
  for (int wanted : {3, 1, 2}) {
    gradient_check::Case c{"saturate", "wanted " + std::to_string(wanted)};
    c.inputs = {gradient_check::random_input(1, {4, 5}),
                gradient_check::random_input(2, {1}, Layout::plain, 1, 2)};
    c.inputs[0].wants_gradient = (wanted & 1) != 0;
    c.inputs[1].wants_gradient = (wanted & 2) != 0;
    c.step = 1.0 / 32;
    c.build = [](const auto& in) { return saturate(in[0], in[1]); };
    c.forward = [](const Sample& s) {
      Array y = s.inputs[0];
      for (double& v : y.values) v = v * v / (v * v + s.inputs[1][0]);
      return y;
    };
    all.push_back(std::move(c));
  }
  return all;
}

}  // namespace

TEST_CASE("a plugin's op passes the gradient checks of the built-in ops") {
  gradient_check::check_gradients(cases());
  gradient_check::check_mutations(cases());
}

TEST_CASE("a plugin's op is recorded, replayed on new contents, and mixed with built-in ops") {
  Tape tape;
  Tensor data = Tensor::from({1, 2, 3}, {3});
  const Variable x = tape.parameter(data), s = tape.parameter(Tensor::from({1}, {1}));
  const Variable loss = sum(scale(saturate(x, s), 2));
  CHECK(tape.op(0).name() == "saturate");
  CHECK(loss.value().item() == doctest::Approx(2 * (0.5 + 0.8 + 0.9)));
  data.f32()[0] = 0;
  tape.forward();
  tape.backward(loss);
  CHECK(loss.value().item() == doctest::Approx(2 * (0.8 + 0.9)));
  CHECK(x.gradient().values()[0] == 0);
  CHECK(x.gradient().values()[1] == doctest::Approx(2 * 2.0 * 2 / 25));
  CHECK(s.gradient().item() == doctest::Approx(-2 * (4.0 / 25 + 9.0 / 100)));
  CHECK_THROWS_AS(saturate(x, x), std::logic_error);
  CHECK(tape.size() == 3);  // what was refused is not recorded
}
