// Activation quantizers on a tape: worked numbers, the surrogate gradients, running ranges.
#include "../activation.h"

#include <cmath>
#include <memory>
#include <vector>

#include <doctest/doctest.h>

#include "method_fixture.h"

using namespace bitwright;
using namespace bitwright::bsq;
using test::list;

namespace {

struct Quantized {
  Quantized(Tensor x, float clip, ActivationOptions options, Tensor dy = {}, bool deployed = false)
      : x(std::move(x)), clip(Tensor::full({1}, clip)) {
    input = tape.parameter(this->x);
    learned = tape.parameter(this->clip);
    output = quantize_activation(relu(input), std::isfinite(clip) ? learned : Variable(), options,
                                 range, deployed);
    if (!dy.defined()) dy = Tensor::full(output.shape(), 1);
    loss = sum(multiply(output, tape.constant(dy)));
    tape.backward(loss);
  }
  void replay() {
    tape.forward();
    tape.backward(loss);
  }

  Tape tape;
  Tensor x, clip;
  std::shared_ptr<RunningRange> range = std::make_shared<RunningRange>();
  Variable input, learned, output, loss;
};

void near(const Tensor& tensor, const std::vector<double>& expected) {
  const auto values = list(tensor);
  REQUIRE(values.size() == expected.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    CHECK(std::abs(static_cast<double>(values[i]) - expected[i]) < 1e-6);
}

}  // namespace

TEST_CASE("ReLU6 and the grid over a batch (spec case 11)") {
  near(Quantized(Tensor::from({-1, 0.3f, 3.1f, 7}, {4}), 6, {4}).output.value(), {0, 0.4, 3.2, 6});
  near(Quantized(Tensor::from({0.3f, 1.0f, 2.5f}, {3}), 6, {2}).output.value(), {0, 0.833333, 2.5});
  near(Quantized(Tensor::from({0.3f, 1.0f, 2.5f}, {3}), INFINITY, {2}).output.value(),
       {0, 0.833333, 2.5});
  near(Quantized(Tensor::from({-1, -2}, {2}), 6, {4}).output.value(), {0, 0});  // S = 0
}

TEST_CASE("a learned clip: values and gradients (case 11)") {
  const Tensor dy = Tensor::from({0.1f, 0.2f, 0.3f, 0.4f}, {4});
  const Quantized q(Tensor::from({-0.5f, 1, 2.5f, 3}, {4}), 2, {16}, dy);
  near(q.input.gradient(), {0, 0.2, 0, 0});
  near(q.learned.gradient(), {0.7});
  const auto y = list(q.output.value());
  for (const auto& [got, expected] : {std::pair{y[0], 0.0}, {y[1], 1.0}, {y[2], 2.0}, {y[3], 2.0}})
    CHECK(std::abs(static_cast<double>(got) - expected) < 2.0 / 65535);
}

TEST_CASE("gradients pass straight through the rounding, not through the clip") {
  const Quantized q(Tensor::from({0.2f, 5.9f, 6.1f, -1}, {4}), 6, {2},
                    Tensor::from({1, 2, 3, 4}, {4}));
  near(q.input.gradient(), {1, 2, 0, 0});
  near(q.learned.gradient(), {3});
}

TEST_CASE("a running range moves in training, rests where the network is deployed") {
  const ActivationOptions options{8, true, 0.25};
  Quantized q(Tensor::from({1, 4}, {2}), 6, options);
  CHECK(q.range->value == 4);  // of the first batch
  q.x.copy_from(Tensor::from({1, 2}, {2}));
  q.replay();
  CHECK(q.range->value == 3.5);
  q.x.copy_from(Tensor::from({1, 5}, {2}));
  q.replay();
  CHECK(q.range->value == 3.875);
  near(q.output.value(), {1 * 0.0 + 66 * 3.875 / 255, 3.875});
  near(q.input.gradient(), {1, 0});  // above the range nothing passes

  Tape tape;
  const auto range = std::make_shared<RunningRange>(RunningRange{2, true});
  const Variable deployed =
      quantize_activation(tape.constant(Tensor::from({1, 5}, {2})), {}, options, range, true);
  near(deployed.value(), {128 * 2.0 / 255, 2});
  CHECK(range->value == 2);
}

TEST_CASE("bf16 activations: the same grid, rounded to bf16") {
  Tape tape;
  const Variable x = cast(tape.constant(Tensor::from({0.3f, 3.1f, 7}, {3})), DType::bf16);
  const Variable clip = tape.constant(Tensor::full({1}, 6));
  const Variable y = quantize_activation(x, clip, {4}, std::make_shared<RunningRange>(), false);
  CHECK(y.value().type() == DType::bf16);
  near(cast(y, DType::f32).value(), {0.400390625, 3.203125, 6});
}
