#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/tensor/memory_state.h>

#include "../prox.h"
#include "method_fixture.h"

using namespace bitwright;
using namespace bitwright::test;

namespace {

std::unique_ptr<Method> make(Given given = {}) {
  given.emplace_back("reg_rate", 0.5);
  return make_method("prox_quant", given);
}

}  // namespace

TEST_CASE("the proximal map moves towards the nearer label and stops there") {
  const std::vector<std::pair<float, float>> worked{{0.4f, 0.5f}, {1.3f, 1.2f},   {-0.95f, -1.0f},
                                                    {0.0f, 0.0f}, {-0.2f, -0.3f}, {0.95f, 1.0f}};
  for (const auto& [x, wanted] : worked)
    CHECK(prox_quant::binary_prox(x, 0.1f) == doctest::Approx(wanted).epsilon(1e-6));
  CHECK(prox_quant::binary_prox(1.0f, 0.1f) == 1.0f);
  CHECK(prox_quant::binary_prox(0.37f, 0.0f) == doctest::Approx(0.37f));
}

TEST_CASE("the proximal map minimises its objective") {
  const double t = 0.15;
  for (double x = -2; x <= 2; x += 0.0371) {
    const auto objective = [&](double z) {
      return (z - x) * (z - x) / 2 + t * std::abs(std::abs(z) - 1);
    };
    const double at = prox_quant::binary_prox(static_cast<float>(x), static_cast<float>(t));
    for (double z = -2.5; z <= 2.5; z += 0.01) CHECK(objective(at) <= objective(z) + 1e-6);
  }
}

TEST_CASE("training sees the float weight, deployment its sign") {
  auto network = small_network();
  auto method = make();
  method->attach(stage_of(*network));
  auto weight = method->transform(network->parameters()[0]);
  Tensor x = weight->latents()[0];
  x.copy_from(Tensor::from({0.3f, -0.3f, 0, 1, -1, 1, -1, 2, 0.999f, -0.5f, 0.1f, -5}, {3, 4}));
  OnTape on(*weight, Tensor::full({3, 4}, 0.7f));
  CHECK(list(on.weight.value()) == list(x));
  CHECK(list(on.latents[0].gradient()) == std::vector<float>(12, 0.7f));
  Tensor out = Tensor::zeros({3, 4});
  weight->write_deployed(Deployment::soft, out);
  CHECK(list(out) == list(x));
  weight->write_deployed(Deployment::hard, out);
  CHECK(list(out) == std::vector<float>{1, -1, -1, 1, -1, 1, -1, 1, 1, -1, 1, -1});
  CHECK(weight->bits() == 1);
}

TEST_CASE("the proximal step has size lr * reg_rate * epoch and ends with a clip") {
  auto network = small_network();
  auto method = make();
  method->attach(stage_of(*network));
  auto weight = method->transform(network->parameters()[0]);
  Tensor x = weight->latents()[0];
  const auto after = [&](std::int64_t epoch) {
    x.fill(0.4f);
    x.f32()[1] = -1.6f;
    method->after_update({epoch * 10, epoch, 0.1});
    return std::pair(x.f32()[0], x.f32()[1]);
  };
  CHECK(after(0).first == doctest::Approx(0.4f));
  CHECK(after(0).second == -1.0f);
  CHECK(after(2).first == doctest::Approx(0.5f));
  CHECK(after(4).first == doctest::Approx(0.6f));
  CHECK(after(4).second == -1.0f);
  CHECK(method->measure()[0] == doctest::Approx(2.0));  // lambda = 0.5 * 4
}

TEST_CASE("the original code's exemptions are the default") {
  auto network = small_network();
  auto method = make();
  method->attach(stage_of(*network));
  for (const Parameter& p : network->parameters())
    CHECK((method->transform(p) == nullptr) == (p.kind == ParameterKind::bias));
  auto everything = make({{"exclude", std::vector<std::string>{}}});
  everything->attach(stage_of(*network));
  for (const Parameter& p : network->parameters()) CHECK(everything->transform(p));
}

TEST_CASE("from the freeze epoch on, weights are signs and stay") {
  for (std::int64_t freeze_epoch : {0, 3}) {
    auto network = small_network();
    auto method = make({{"freeze_epoch", freeze_epoch}});
    method->attach(stage_of(*network));
    const Parameter &p = network->parameters()[0], &bias = network->parameters()[1];
    auto weight = method->transform(p);
    for (std::int64_t epoch = 0; epoch < 5; ++epoch) {
      const bool now = freeze_epoch != 0 && epoch >= freeze_epoch;
      CHECK(method->frozen(p) == now);
      CHECK_FALSE(method->frozen(bias));
      const auto x = list(weight->latents()[0]);
      CHECK(std::ranges::all_of(x, [](float v) { return std::abs(v) == 1; }) == now);
      method->after_epoch({epoch * 10 + 9, epoch, 0.01});
    }
  }
}

TEST_CASE("the frozen state returns from a snapshot") {
  auto network = small_network();
  auto method = make({{"freeze_epoch", std::int64_t{1}}});
  method->attach(stage_of(*network));
  const Parameter& p = network->parameters()[0];
  auto weight = method->transform(p);
  const auto visit = [&](StateVisitor& visitor) { method->visit(visitor); };
  MemoryState learning, frozen;
  learning.save(visit);
  method->after_epoch({9, 0, 0.01});
  frozen.save(visit);
  learning.load(visit);
  CHECK_FALSE(method->frozen(p));
  frozen.load(visit);
  CHECK(method->frozen(p));
}
