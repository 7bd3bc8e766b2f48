#include <cmath>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/tensor/memory_state.h>

#include "method_fixture.h"

using namespace bitwright;
using namespace bitwright::test;

namespace {

std::unique_ptr<Method> make(const Given& given = {}) {
  return make_method("binary_connect", given);
}

}  // namespace

TEST_CASE("forward is the sign, never 0; the gradient passes where |x| <= 1") {
  auto network = small_network();
  auto method = make();
  method->attach(stage_of(*network));
  auto weight = method->transform(network->parameters()[0]);
  weight->latents()[0].copy_from(
      Tensor::from({0.3f, -0.3f, 0, 1, -1, 1.01f, -1.01f, 2, 0.999f, -0.0f, 1e-20f, -5}, {3, 4}));
  OnTape on(*weight, Tensor::full({3, 4}, 0.7f));
  const std::vector<float> signs{1, -1, -1, 1, -1, 1, -1, 1, 1, -1, 1, -1};
  CHECK(list(on.weight.value()) == signs);
  const float g = 0.7f;
  CHECK(list(on.latents[0].gradient()) == std::vector<float>{g, g, g, g, g, 0, 0, 0, g, g, g, 0});
  for (Deployment deployment : {Deployment::soft, Deployment::hard}) {
    Tensor out = Tensor::zeros({3, 4});
    weight->write_deployed(deployment, out);
    CHECK(list(out) == signs);
  }
  CHECK(weight->bits() == 1);
  CHECK(weight->label_set() == std::vector<float>{-1, 1});
}

TEST_CASE("latents are clipped after the update, unless clip is false") {
  for (bool clip : {true, false}) {
    auto network = small_network();
    auto method = make({{"clip", clip}});
    method->attach(stage_of(*network));
    auto weight = method->transform(network->parameters()[1]);
    weight->latents()[0].copy_from(Tensor::from({1.5f, -0.5f, -7}, {3}));
    method->after_update({0, 0, 0.001});
    CHECK(list(weight->latents()[0]) ==
          (clip ? std::vector<float>{1, -0.5f, -1} : std::vector<float>{1.5f, -0.5f, -7}));
  }
}

TEST_CASE("every parameter is binary, and starts as in the float network of the same seed") {
  auto network = small_network();  // initialised with seed 1, as the stage
  auto method = make();
  method->attach(stage_of(*network));
  for (const Parameter& p : network->parameters()) {
    auto weight = method->transform(p);
    REQUIRE(weight);
    CHECK(list(weight->latents()[0]) == list(p.value));
    CHECK(weight->latents()[0].f32() != p.value.f32());  // evaluation may write the parameter
  }
}

TEST_CASE("metrics count signs and flips, and their state returns") {
  auto network = small_network();
  auto method = make();
  method->attach(stage_of(*network));
  auto weight = method->transform(network->parameters()[1]);
  Tensor x = weight->latents()[0];
  x.copy_from(Tensor::from({0.5f, -0.5f, -0.5f}, {3}));
  method->measure();
  MemoryState snapshot;
  const auto visit = [&](StateVisitor& visitor) { method->visit(visitor); };
  snapshot.save(visit);
  x.f32()[1] = 0.1f;
  auto values = method->measure();
  REQUIRE(values.size() == method->metrics(*network).size());
  CHECK(values[0] == doctest::Approx(2 / 3.0));
  CHECK(values[1] == 1);
  CHECK(method->measure()[1] == 0);
  snapshot.load(visit);
  CHECK(method->measure()[1] == 1);
}

// Proposition 3.1 of the Proximal Mean-field paper: with SGD, v.q = x at the start and half the
// learning rate, the hardmax projection visits the weights of BinaryConnect.
TEST_CASE("BinaryConnect and PICM take the same steps") {
  NetworkBuilder builder(InputSpec{1, 1, 1, 1});
  auto network = builder.flatten().linear("fc", 1, false).build();
  initialize(*network, 1);
  auto bc = make();
  auto picm = make_method("proximal_mean_field", {{"projection", "hardmax"}, {"jacobian", "ste"}});
  bc->attach(stage_of(*network));
  picm->attach(stage_of(*network));
  const Parameter& p = network->parameters()[0];
  auto bc_weight = bc->transform(p), picm_weight = picm->transform(p);
  Tensor x = bc_weight->latents()[0], v = picm_weight->latents()[0];
  x.f32()[0] = 0.25f;
  v.f32()[0] = 0.1f;
  v.f32()[1] = 0.35f;
  OnTape a(*bc_weight, Tensor::full({1, 1}, 0)), b(*picm_weight, Tensor::full({1, 1}, 0));
  const std::vector<double> gradients{0.9, 0.8, -1.1, 0.4}, wanted{0.07, -0.09, 0.13, 0.05};
  for (std::size_t step = 0; step < 4; ++step) {
    for (OnTape* on : {&a, &b}) {
      on->g_w.fill(static_cast<float>(gradients[step]));
      on->replay();
    }
    CHECK(list(a.weight.value()) == list(b.weight.value()));
    x.f32()[0] -= 0.2f * a.latents[0].gradient().f32()[0];
    for (int l = 0; l < 2; ++l) v.f32()[l] -= 0.1f * b.latents[0].gradient().f32()[l];
    bc->after_update({static_cast<std::int64_t>(step), 0, 0.2});
    picm->after_update({static_cast<std::int64_t>(step), 0, 0.1});
    CHECK(x.f32()[0] == doctest::Approx(wanted[step]).epsilon(1e-5));
    CHECK(v.f32()[1] - v.f32()[0] == doctest::Approx(wanted[step]).epsilon(1e-5));
  }
  CHECK(v.f32()[0] == doctest::Approx(0.20));
  CHECK(v.f32()[1] == doctest::Approx(0.25));
}
