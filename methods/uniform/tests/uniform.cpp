#include <cmath>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/tensor/memory_state.h>

#include "../grids.h"
#include "method_fixture.h"

using namespace bitwright;
using namespace bitwright::test;
using uniform_grid::GridRule;
using uniform_grid::Kind;

namespace {

std::unique_ptr<Method> make(std::int64_t bits, Given given = {}) {
  given.insert(given.begin(),
               {{"weight_bits", bits}, {"activation_bits", bits}, {"first_last_bits", bits}});
  return make_method("uniform", given);
}

std::vector<float> quantized(const std::vector<float>& w, const GridRule& rule) {
  Tensor x = Tensor::from(w, Shape{2, static_cast<std::int64_t>(w.size() / 2)});
  Grid grid;
  set_grid(x, rule, grid);
  std::vector<float> out(w.size());
  code_on_grid(x, grid).decode(out);
  return out;
}

void check_near(const std::vector<float>& got, const std::vector<double>& wanted) {
  REQUIRE(got.size() == wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    CAPTURE(i);
    CHECK(got[i] == doctest::Approx(wanted[i]).epsilon(1e-5));
  }
}

}  // namespace

TEST_CASE("scales rounded to powers of two") {
  const std::vector<std::pair<float, float>> worked{
      {0.1138f, 0.125f}, {0.0449f, 0.0625f}, {0.0565f, 0.0625f}, {0.75f, 1}, {0.5f, 0.5f}};
  for (const auto& [scale, wanted] : worked)
    CHECK(uniform_grid::nearest_power_of_two(scale) == wanted);
}

TEST_CASE("grids of weights, by hand") {
  const std::vector<float> w{-0.9f, 0.2f, 0.5f, 0.1f, 0.3f, -0.6f};
  // 2 bits symmetric: -s, 0, s with s = 0.9; per channel s = 0.9 and 0.6.
  check_near(quantized(w, {Kind::symmetric, 2}), {-0.9, 0, 0.9, 0, 0, -0.9});
  check_near(quantized(w, {Kind::symmetric, 2, true}), {-0.9, 0, 0.9, 0, 0, -0.6});
  // 2 bits asymmetric: s = 1.4 / 3, zero point round(0.9 / s) = 2: -2 s, -s, 0, s.
  const double s = 1.4 / 3;
  check_near(quantized(w, {Kind::asymmetric, 2}), {-2 * s, 0, s, 0, s, -s});
  // 1 bit: the sign times mean |w| = 2.6 / 6.
  const double m = 2.6 / 6;
  check_near(quantized(w, {Kind::asymmetric, 1}), {-m, m, m, m, m, -m});
  // Ternary: threshold 0.7 m = 0.30333; the mean of 0.9, 0.5, 0.6 is the scale.
  check_near(quantized(w, {Kind::ternary, 2}), {-2 / 3.0, 0, 2 / 3.0, 0, 0, -2 / 3.0});
  // Powers of two: 0.9 -> 1, 2/3 -> 0.5.
  check_near(quantized(w, {Kind::symmetric, 2, false, true}), {-1, 0, 0, 0, 0, -1});
  check_near(quantized(w, {Kind::ternary, 2, false, true}), {-0.5, 0, 0.5, 0, 0, -0.5});
  for (Kind kind : {Kind::symmetric, Kind::asymmetric, Kind::ternary})
    check_near(quantized(std::vector<float>(4), {kind, 2}), {0, 0, 0, 0});
}

TEST_CASE("errors of fine grids are at most half a step") {
  std::vector<float> w;
  for (int i = 0; i < 200; ++i) w.push_back(std::sin(static_cast<float>(i)) + 0.3f);
  for (Kind kind : {Kind::symmetric, Kind::asymmetric})
    for (int bits : {3, 6, 8, 12, 16}) {
      const auto q = quantized(w, {kind, bits});
      const float step = kind == Kind::symmetric ? 1.3f / (std::ldexp(1.f, bits - 1) - 1)
                                                 : 2.0f / (std::ldexp(1.f, bits) - 1);
      float worst = 0;
      for (std::size_t i = 0; i < w.size(); ++i) worst = std::max(worst, std::abs(q[i] - w[i]));
      CAPTURE(bits);
      // The zero point may move the ends of an asymmetric grid by half a step.
      CHECK(worst <= (kind == Kind::symmetric ? 0.501f : 1.001f) * step + 1e-6f);
    }
}

TEST_CASE("training sees what is deployed; gradients by the chosen estimator") {
  for (const char* estimator : {"identity", "polynomial"}) {
    auto network = small_network();
    auto method = make(1, {{"weight_estimator", std::string(estimator)}});
    method->attach(stage_of(*network, false));
    Parameter& p = network->parameters()[2];
    p.value.copy_from(Tensor::from({-2, 0.5f, 0.25f, 1, 1.75f, -0.5f}, {2, 3}));  // mean 1
    auto weight = method->transform(p);
    OnTape on(*weight, Tensor::full({2, 3}, 3));
    CHECK(list(on.weight.value()) == std::vector<float>{-1, 1, 1, 1, 1, -1});
    CHECK(list(on.latents[0].gradient()) == (std::string(estimator) == "identity"
                                                 ? std::vector<float>(6, 3)
                                                 : std::vector<float>{0, 3, 4.5f, 0, 0, 3}));
    Tensor out = Tensor::zeros({2, 3});
    weight->write_deployed(Deployment::hard, out);
    CHECK(list(out) == list(on.weight.value()));
    // The range follows the weight.
    weight->latents()[0].fill(4);
    on.replay();
    CHECK(on.weight.value().f32()[0] == 4);
  }
}

TEST_CASE("an input's range is the moving average of batches, and evaluation leaves it") {
  auto network = small_network();
  auto method = make(2, {{"activation_momentum", 0.25}});
  method->attach(stage_of(*network));
  const NamedLayer layer;
  ForwardHooks hooks;
  Tape training, evaluation;
  Forward forward(training, true, hooks), deployed(evaluation, false, hooks);
  Tensor batch = Tensor::from({0, 1, 2, 3}, {1, 4});
  const Variable y = method->layer_input(forward, layer, training.parameter(batch));
  CHECK(list(y.value()) == std::vector<float>{0, 1, 2, 3});
  batch.copy_from(Tensor::from({0, 0.2f, 0.5f, 7}, {1, 4}));
  training.forward();  // high = 3 + (7 - 3) / 4 = 4
  const double s = 4 / 3.0;
  check_near(list(y.value()), {0, 0, 0, 4});
  const Variable z = method->layer_input(
      deployed, layer, evaluation.constant(Tensor::from({0.7f, 9, 1, 3}, {1, 4})));
  check_near(list(z.value()), {s, 4, s, 2 * s});
  const auto values = method->measure();
  CHECK(values[values.size() - 1] == doctest::Approx(4));

  MemoryState saved;
  const auto visit = [&](StateVisitor& visitor) { method->visit(visitor); };
  saved.save(visit);
  batch.fill(100);
  training.forward();
  evaluation.forward();
  CHECK(z.value().f32()[1] == doctest::Approx(28 / 3.0));  // another range
  saved.load(visit);
  evaluation.forward();
  check_near(list(z.value()), {s, 4, s, 2 * s});
}

TEST_CASE("signed inputs: a zero point, or a symmetric grid") {
  for (const char* kind : {"asymmetric", "symmetric"}) {
    auto network = small_network();
    auto method = make(3, {{"activation_grid", std::string(kind)}});
    method->attach(stage_of(*network));
    const NamedLayer layer;
    ForwardHooks hooks;
    Tape tape;
    Forward forward(tape, true, hooks);
    const Variable x = tape.parameter(Tensor::from({-2, -0.9f, 0, 1.6f, 5}, {1, 5}));
    const Variable y = method->layer_input(forward, layer, x);
    const double s = 5 / 3.0;
    check_near(list(y.value()), std::string(kind) == "asymmetric"
                                    ? std::vector<double>{-2, -1, 0, 2, 5}
                                    : std::vector<double>{-s, -s, 0, s, 3 * s});
  }
}

TEST_CASE("options that the bits rule out") {
  auto network = small_network();
  const auto refused = [&](std::int64_t bits, const Given& given, const std::string& text) {
    auto method = make(bits, given);
    CHECK_THROWS_WITH_AS(method->attach(stage_of(*network)), doctest::Contains(text.c_str()),
                         Error);
  };
  refused(3, {{"weight_grid", "ternary"}}, "test.yaml:3:5: error: no layer has the 2 bits");
  refused(2, {{"weight_estimator", "polynomial"}}, "stands in for a sign");
  refused(1, {{"activation_grid", "symmetric"}}, "no scale of its own");
}
