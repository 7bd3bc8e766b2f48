#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "method_fixture.h"

using namespace bitwright;
using namespace bitwright::test;

namespace {

std::unique_ptr<Method> make(std::int64_t bits) {
  return make_method("dorefa",
                     {{"weight_bits", bits}, {"activation_bits", bits}, {"first_last_bits", bits}});
}

void check_near(const Tensor& got, const std::vector<double>& wanted) {
  REQUIRE(static_cast<std::size_t>(got.numel()) == wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    CAPTURE(i);
    CHECK(got.values()[i] == doctest::Approx(wanted[i]).epsilon(1e-5));
  }
}

}  // namespace

TEST_CASE("worked numbers of the weights at 1, 2 and 4 bits") {
  const std::vector<std::pair<std::int64_t, std::vector<double>>> worked{
      {1, {-0.475, -0.475, -0.475, 0.475, 0.475, 0.475}},
      {2, {-1, -1 / 3.0, -1 / 3.0, 1 / 3.0, 1 / 3.0, 1}},
      {4, {-0.733333, -0.333333, -0.066667, 0.066667, 0.466667, 1}}};
  for (const auto& [bits, wanted] : worked) {
    CAPTURE(bits);
    auto network = small_network();
    auto method = make(bits);
    method->attach(stage_of(*network, false));
    Parameter& p = network->parameters()[2];
    p.value.copy_from(Tensor::from({-0.8f, -0.3f, -0.05f, 0.1f, 0.4f, 1.2f}, {2, 3}));
    auto weight = method->transform(p);
    OnTape on(*weight, Tensor::full({2, 3}, 1));
    check_near(on.weight.value(), wanted);
    Tensor out = Tensor::zeros({2, 3});
    for (Deployment d : {Deployment::soft, Deployment::hard}) {
      weight->write_deployed(d, out);
      CHECK(list(out) == list(on.weight.value()));
    }
    CHECK(weight->coded()->bits == bits);
    CHECK(weight->bits() == static_cast<double>(bits));
    weight->hand_over(out);
    CHECK(list(out) == list(p.value));
  }
}

TEST_CASE("activations are clamped to [0, 1] and rounded, the gradient passes inside") {
  auto network = small_network();
  auto method = make(2);
  method->attach(stage_of(*network));
  const NamedLayer layer;
  ForwardHooks hooks;
  Tape tape;
  Forward forward(tape, true, hooks);
  const Variable x = tape.parameter(Tensor::from({-0.5f, 0, 0.2f, 0.6f, 1, 1.5f}, {2, 3}));
  const Variable y = method->layer_input(forward, layer, x);
  check_near(y.value(), {0, 0, 1 / 3.0, 2 / 3.0, 1, 1});
  tape.backward(sum(y));
  CHECK(list(x.gradient()) == std::vector<float>{0, 1, 1, 1, 1, 0});
}

TEST_CASE("an all-zero weight is quantized to one of the middle levels") {
  auto network = small_network();
  auto method = make(2);
  method->attach(stage_of(*network));
  Parameter& p = network->parameters()[2];
  p.value.fill(0);
  auto weight = method->transform(p);
  OnTape on(*weight, Tensor::full({2, 3}, 1));
  for (float w : on.weight.value().values()) CHECK(std::abs(w) == doctest::Approx(1 / 3.0));
  for (float g : on.latents[0].gradient().values()) CHECK(g == 1);
}

TEST_CASE("the ends of the network stay float unless asked for") {
  auto network = small_network();
  auto method = make_method("dorefa", {});
  CHECK_THROWS_WITH_AS(method->attach(stage_of(*network)), doctest::Contains("stay float"), Error);
}
