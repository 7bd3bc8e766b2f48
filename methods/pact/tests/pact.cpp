#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "method_fixture.h"

using namespace bitwright;
using namespace bitwright::test;

namespace {

std::unique_ptr<Method> make(std::int64_t bits, Given given = {}) {
  given.insert(
      given.begin(),
      {{"weight_bits", std::int64_t{32}}, {"activation_bits", bits}, {"first_last_bits", bits}});
  return make_method("pact", given);
}

struct OnInput {
  OnInput(Method& method, const Tensor& numbers, const Tensor& dy)
      : forward(tape, true, hooks), x(tape.parameter(numbers)) {
    y = method.layer_input(forward, layer, x);
    tape.backward(sum(multiply(y, tape.constant(dy))));
  }
  NamedLayer layer;
  ForwardHooks hooks;
  Tape tape;
  Forward forward;
  Variable x, y;
};

}  // namespace

// 16 bits: the rounding is below what is compared.
TEST_CASE("worked numbers of the clip: A = 2") {
  auto network = small_network();
  auto method = make(16, {{"clip_start", 2.0}});
  method->attach(stage_of(*network));
  OnInput on(*method, Tensor::from({-0.5f, 1, 2.5f, 3}, {1, 4}),
             Tensor::from({0.1f, 0.2f, 0.3f, 0.4f}, {1, 4}));
  const std::vector<double> y{0, 1, 2, 2}, dx{0, 0.2, 0, 0};
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(on.y.value().values()[i] == doctest::Approx(y[i]).epsilon(1e-4));
    CHECK(on.x.gradient().values()[i] == doctest::Approx(dx[i]));
  }
  // The gradient of the clip, where x >= A.
  Tape tape;
  ForwardHooks hooks;
  Forward forward(tape, true, hooks);
  const Tensor alpha = method->trained()[0].value;
  const Variable a = tape.parameter(alpha);
  struct Same final : ForwardHooks {
    Variable a;
    Variable trained(Forward&, const Tensor&) override { return a; }
  } same;
  same.a = a;
  Forward with_clip(tape, true, same);
  const Variable out = method->layer_input(
      with_clip, on.layer, tape.constant(Tensor::from({-0.5f, 1, 2.5f, 3}, {1, 4})));
  tape.backward(sum(multiply(out, tape.constant(Tensor::from({0.1f, 0.2f, 0.3f, 0.4f}, {1, 4})))));
  CHECK(a.gradient().item() == doctest::Approx(0.7));
}

TEST_CASE("2 bits: four levels up to alpha") {
  auto network = small_network();
  auto method = make(2, {{"clip_start", 3.0}});
  method->attach(stage_of(*network));
  OnInput on(*method, Tensor::from({-1, 0.4f, 0.6f, 1.7f, 2.6f, 7}, {1, 6}),
             Tensor::full({1, 6}, 1));
  CHECK(list(on.y.value()) == std::vector<float>{0, 0, 1, 2, 3, 3});
  CHECK(list(on.x.gradient()) == std::vector<float>{0, 1, 1, 1, 1, 0});
}

TEST_CASE("alpha is trained with its own rate and decay, stays positive and is logged") {
  auto network = small_network();
  auto method = make(4, {{"clip_rate", 0.5}, {"clip_decay", 3.0}});
  method->attach(stage_of(*network));
  const auto trained = method->trained();
  REQUIRE(trained.size() == 1);
  CHECK(trained[0].name == "fc2.clip");
  CHECK(trained[0].rule.rate == 0.5);
  CHECK(trained[0].rule.decay == 3);
  Tensor alpha = trained[0].value;
  CHECK(alpha.item() == 10);
  CHECK(method->measure() == std::vector<double>{10});
  CHECK(method->metrics(*network)[0].layers == std::vector<std::string>{"fc2"});
  alpha.fill(-1);
  method->after_update({0, 0, 0.1});
  CHECK(alpha.item() > 0);
}

TEST_CASE("weights follow DoReFa's rule, or are left to another method") {
  auto network = small_network();
  Parameter& p = network->parameters()[2];
  p.value.copy_from(Tensor::from({-0.8f, -0.3f, -0.05f, 0.1f, 0.4f, 1.2f}, {2, 3}));
  auto both =
      make_method("pact", {{"weight_bits", std::int64_t{2}}, {"first_last_bits", std::int64_t{2}}});
  both->attach(stage_of(*network, false));
  auto weight = both->transform(p);
  Tensor out = Tensor::zeros({2, 3});
  weight->write_deployed(Deployment::hard, out);
  CHECK(out.f32()[0] == -1);
  CHECK(out.f32()[1] == doctest::Approx(-1 / 3.0));
  CHECK(out.f32()[5] == 1);
  auto inputs_only = make(4);
  inputs_only->attach(stage_of(*network, false));
  for (const Parameter& q : network->parameters()) CHECK_FALSE(inputs_only->transform(q));
}
