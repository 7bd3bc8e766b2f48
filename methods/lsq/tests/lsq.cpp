#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "method_fixture.h"

using namespace bitwright;
using namespace bitwright::test;

namespace {

// 2 bits everywhere.
std::unique_ptr<Method> make(Given given = {}) {
  const Given two{{"weight_bits", std::int64_t{2}},
                  {"activation_bits", std::int64_t{2}},
                  {"first_last_bits", std::int64_t{2}}};
  given.insert(given.begin(), two.begin(), two.end());
  return make_method("lsq", given);
}

std::vector<float> around(const std::vector<float>& wanted, const Tensor& got) {
  std::vector<float> worst;
  REQUIRE(static_cast<std::size_t>(got.numel()) == wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (std::abs(got.values()[i] - wanted[i]) > 1e-6f) worst.push_back(got.values()[i]);
  return worst;
}

}  // namespace

// Esser et al. 2020, section 2, by hand: 2 bits signed, Q_N = 2, Q_P = 1, s = 0.5.
TEST_CASE("weights: values, gradients and the scale of the step's gradient") {
  auto network = small_network();
  auto method = make();
  method->attach(stage_of(*network, false));
  const Parameter& p = network->parameters()[2];  // fc2.weight [2, 3]
  auto weight = method->transform(p);
  REQUIRE(weight->latents().size() == 2);
  Tensor w = weight->latents()[0], s = weight->latents()[1];
  w.copy_from(Tensor::from({-2, -0.6f, -0.2f, 0.1f, 0.3f, 0.9f}, {2, 3}));
  s.fill(0.5f);
  OnTape on(*weight, Tensor::from({1, 2, 3, 4, 5, 6}, {2, 3}));
  // w / s = -4 -1.2 -0.4 0.2 0.6 1.8 -> -2 -1 0 0 1 1
  CHECK(list(on.weight.value()) == std::vector<float>{-1, -0.5f, 0, 0, 0.5f, 0.5f});
  CHECK(list(on.latents[0].gradient()) == std::vector<float>{0, 2, 3, 4, 5, 0});
  // -2, (-1 + 1.2) 2, 0.4 3, -0.2 4, 0.4 5, 1 6; times 1 / sqrt(6 * 1)
  const double sum = -2 + 0.4 + 1.2 - 0.8 + 2 + 6;
  CHECK(on.latents[1].gradient().item() == doctest::Approx(sum / std::sqrt(6.0)));
  CHECK(weight->rule(0).decay == 1);
  CHECK(weight->rule(1).decay == 0);
}

TEST_CASE("the gradient's scale is an option") {
  auto network = small_network();
  auto method = make({{"gradient_scale", false}});
  method->attach(stage_of(*network, false));
  auto weight = method->transform(network->parameters()[2]);
  weight->latents()[0].fill(9);
  weight->latents()[1].fill(1);
  OnTape on(*weight, Tensor::full({2, 3}, 1));
  CHECK(on.latents[1].gradient().item() == 6);
}

TEST_CASE("a weight's step starts as 2 <|w|> / sqrt(Q_P), of a channel where asked") {
  auto network = small_network();
  Parameter& p = network->parameters()[2];
  p.value.copy_from(Tensor::from({1, -2, 3, 0.5f, -0.5f, 0}, {2, 3}));
  const auto steps = [&](const std::string& granularity, std::int64_t bits) {
    auto method = make({{"weight_granularity", granularity}, {"first_last_bits", bits}});
    method->attach(stage_of(*network, false));
    auto weight = method->transform(p);
    return list(weight->latents()[1]);
  };
  CHECK(steps("tensor", 2)[0] == doctest::Approx(2 * 7 / 6.0));
  CHECK(steps("tensor", 3)[0] == doctest::Approx(2 * 7 / 6.0 / std::sqrt(3.0)));
  CHECK(steps("tensor", 1)[0] == doctest::Approx(7 / 6.0));
  const auto two = steps("channel", 2);
  REQUIRE(two.size() == 2);
  CHECK(two[0] == doctest::Approx(4));
  CHECK(two[1] == doctest::Approx(2 / 3.0));
}

TEST_CASE(
    "deployed weights are the trained ones, coded with the step, and masters are handed over") {
  for (const char* granularity : {"tensor", "channel"}) {
    auto network = small_network();
    auto method = make({{"weight_granularity", std::string(granularity)}});
    method->attach(stage_of(*network, false));
    const Parameter& p = network->parameters()[0];
    auto weight = method->transform(p);
    const Tensor master = p.value.clone();
    OnTape on(*weight, Tensor::full({3, 4}, 1));
    Tensor out = Tensor::zeros({3, 4});
    weight->write_deployed(Deployment::hard, out);
    CHECK(list(out) == list(on.weight.value()));
    std::vector<float> decoded(12);
    const Coded coded = *weight->coded();
    coded.decode(decoded);
    CHECK(decoded == list(out));
    CHECK(coded.bits == 2);
    CHECK(coded.first == -2);
    CHECK(weight->bits() == 2);
    weight->hand_over(out);
    CHECK(list(out) == list(master));
  }
}

TEST_CASE("an input's step comes from the first training batch, and evaluation does not set it") {
  auto network = small_network();
  auto method = make();
  method->attach(stage_of(*network));
  const auto trained = method->trained();
  REQUIRE(trained.size() == 1);  // fc1 sees the image
  CHECK(trained[0].name == "fc2.step");
  Tensor s = trained[0].value;
  const NamedLayer layer;
  Tensor batch = Tensor::from({0, 0.5f, 1, 0.25f, 2, 8.25f}, {2, 3});
  ForwardHooks hooks;
  Tape evaluation, training;
  Forward deployed(evaluation, false, hooks), forward(training, true, hooks);
  const Variable before = method->layer_input(deployed, layer, evaluation.constant(batch));
  CHECK(list(before.value()) == list(batch));  // nothing is known
  CHECK(s.item() == 0);

  const Variable x = training.parameter(batch);
  const Variable y = method->layer_input(forward, layer, x);
  const double step = 2 * 2.0 / std::sqrt(3.0);  // mean 2, Q_P = 3
  CHECK(s.item() == doctest::Approx(step));
  const auto c = static_cast<float>(step);
  CHECK(around({0, 0, 0, 0, c, 3 * c}, y.value()).empty());
  training.backward(sum(y));
  CHECK(list(x.gradient()) == std::vector<float>{0, 1, 1, 1, 1, 0});
  batch.fill(100);
  training.forward();
  CHECK(s.item() == doctest::Approx(step));  // only the first one
  evaluation.forward();
  CHECK(around(std::vector<float>(6, 3 * c), before.value()).empty());
}

TEST_CASE("steps stay positive, and metrics are per layer") {
  auto network = small_network();
  auto method = make();
  method->attach(stage_of(*network));
  std::vector<std::unique_ptr<WeightTransform>> weights;
  for (const Parameter& p : network->parameters())
    if (auto w = method->transform(p)) weights.push_back(std::move(w));
  CHECK(weights.size() == 2);
  const auto trained = method->trained();
  weights[0]->latents()[1].fill(-0.5f);
  Tensor input = trained[0].value;
  method->after_update({0, 0, 0.1});
  CHECK(weights[0]->latents()[1].item() > 0);
  CHECK(input.item() == 0);  // still unknown
  input.fill(-1);
  method->after_update({1, 0, 0.1});
  CHECK(input.item() > 0);

  weights[0]->latents()[0].fill(1);
  weights[0]->latents()[0].f32()[0] = 0;
  weights[0]->latents()[1].fill(1);
  const auto declared = method->metrics(*network);
  std::size_t width = 0;
  for (const MetricDeclaration& m : declared) width += m.width();
  const auto values = method->measure();
  REQUIRE(values.size() == width);
  CHECK(declared[0].layers == std::vector<std::string>{"fc1", "fc2"});
  CHECK(values[0] == 1);
  CHECK(values[2] == doctest::Approx(11 / 12.0));  // at the upper bound
}
