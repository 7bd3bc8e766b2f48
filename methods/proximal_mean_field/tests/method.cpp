// The plugin as the training loop sees it.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/core/rng.h>
#include <bitwright/tensor/memory_state.h>

#include "../projection.h"
#include "method_fixture.h"

using namespace bitwright;
using namespace bitwright::test;

namespace {

std::unique_ptr<Method> make(const Given& given) {
  return make_method("proximal_mean_field", given);
}

const Given kPmf{{"jacobian", "exact"}, {"beta_rate", 1.2}};

std::unique_ptr<Network> lenet(const std::string& name) {
  return make_network(name, {1, 28, 28, 10});
}

float largest(const Tensor& tensor) {
  float most = 0;
  for (float x : tensor.values()) most = std::max(most, std::abs(x));
  return most;
}

std::string refusal(const Given& given) {
  return refusal_of([&] { make(given); });
}

}  // namespace

TEST_CASE("beta schedule: first increase after step 0, then every interval, up to the cap") {
  auto network = small_network();
  auto method = make(kPmf);
  method->attach(stage_of(*network));
  std::vector<double> beta;  // used by step t
  for (std::int64_t step = 0; step <= 6000; ++step) {
    beta.push_back(method->measure()[0]);
    method->after_step({step, 0, 0.001});
  }
  CHECK(beta[0] == 1);
  CHECK(beta[1] == doctest::Approx(1.2));
  CHECK(beta[100] == doctest::Approx(1.2));
  CHECK(beta[101] == doctest::Approx(1.44));
  CHECK(beta[1000] == doctest::Approx(6.191736).epsilon(1e-7));
  CHECK(beta[5000] == doctest::Approx(9100.438150).epsilon(1e-10));
  CHECK(beta[5001] == 10000);
  CHECK(beta[6000] == 10000);
}

TEST_CASE("expanded Xavier initialisation has the bounds of d times the outputs") {
  const std::vector<std::pair<std::string, double>> bounds{
      {"fc1.weight", 0.065843}, {"fc2.weight", 0.109545}, {"fc3.weight", 0.223607}};
  auto network = lenet("lenet300");
  auto method = make(kPmf);
  method->attach(stage_of(*network));
  std::size_t checked = 0;
  std::int64_t quantized = 0;
  for (const Parameter& p : network->parameters()) {
    auto weight = method->transform(p);
    REQUIRE(weight);
    const Tensor v = weight->latents()[0];
    quantized += v.numel() / 2;
    for (const auto& [name, bound] : bounds)
      if (name == p.name) {
        CHECK(largest(v) <= bound + 1e-6);
        CHECK(largest(v) > 0.99 * bound);
        ++checked;
      }
    if (p.name == "fc1.bias") {
      double square = 0;
      for (float x : v.values()) square += static_cast<double>(x) * x;
      CHECK(std::sqrt(square / static_cast<double>(v.numel())) ==
            doctest::Approx(0.1).epsilon(0.1));
    }
  }
  CHECK(checked == 3);
  CHECK(quantized == 266610);  // every parameter of the network
}

TEST_CASE("expanded initialisation of convolutions") {
  auto network = lenet("lenet5");
  auto method = make(kPmf);
  method->attach(stage_of(*network));
  std::int64_t quantized = 0;
  int checked = 0;
  for (const Parameter& p : network->parameters()) {
    auto weight = method->transform(p);
    const Tensor v = weight->latents()[0];
    quantized += v.numel() / 2;
    if (p.kind != ParameterKind::conv_weight) continue;
    const double bound = p.name == "conv1.weight" ? 0.076509 : 0.044721;
    CHECK(largest(v) <= bound + 1e-6);
    CHECK(largest(v) > 0.99 * bound);
    ++checked;
  }
  CHECK(checked == 2);
  CHECK(quantized == 431080);
  Parameter stem;  // of ResNet-18 for 32 x 32 images
  stem.name = "conv1.weight";
  stem.kind = ParameterKind::conv_weight;
  stem.fan_in = 3 * 9;
  stem.fan_out = 64 * 9;
  stem.value = Tensor::zeros({64, 3, 3, 3});
  const float most = largest(method->transform(stem)->latents()[0]);
  CHECK(most <= 0.071338f + 1e-6f);
  CHECK(most > 0.99f * 0.071338f);
}

TEST_CASE("combinations that the paper does not define are refused where they stand") {
  const auto with = [](const char* projection, const char* jacobian) {
    return Given{{"projection", projection}, {"jacobian", jacobian}, {"beta_rate", 1.2}};
  };
  for (const char* jacobian : {"exact", "eye", "eye_double", "ste"})
    CHECK(refusal(with("softmax", jacobian)).empty());
  CHECK(refusal(with("sparsemax", "exact")).empty());
  CHECK(refusal(with("hardmax", "ste")).empty());
  for (const char* jacobian : {"exact", "ste"}) CHECK(refusal(with("tanh", jacobian)).empty());
  for (const char* jacobian : {"eye", "eye_double"})
    CHECK(refusal(with("tanh", jacobian)).starts_with("test.yaml:3:5: error: jacobian"));
  for (const char* jacobian : {"eye", "eye_double", "ste"})
    CHECK(refusal(with("sparsemax", jacobian)).starts_with("test.yaml:3:5: error: jacobian"));
  for (const char* jacobian : {"exact", "eye", "eye_double"})
    CHECK(refusal(with("hardmax", jacobian)).starts_with("test.yaml:3:5: error: jacobian"));
  for (const std::vector<double>& labels :
       {std::vector<double>{1}, std::vector<double>{}, std::vector<double>{1, -1, 1}})
    CHECK(refusal({{"jacobian", "exact"}, {"beta_rate", 1.2}, {"labels", labels}})
              .starts_with("test.yaml:3:5: error: labels"));
  CHECK(refusal({{"projection", "hardmax"},
                 {"jacobian", "ste"},
                 {"labels", std::vector<double>{-1, 0, 1}}})
            .starts_with("test.yaml:3:5: error: hardmax"));
  CHECK(refusal({{"projection", "tanh"},
                 {"jacobian", "ste"},
                 {"beta_rate", 1.1},
                 {"labels", std::vector<double>{1, -1}}})
            .starts_with("test.yaml:3:5: error: tanh"));
  CHECK(refusal({{"jacobian", "exact"}}).starts_with("test.yaml:1:1: error: beta_rate is missing"));
  CHECK(refusal({{"projection", "hardmax"}, {"jacobian", "ste"}}).empty());
}

TEST_CASE("excluded parameters are left alone; a pattern without a match is refused") {
  auto network = small_network();
  auto method = make(
      {{"jacobian", "exact"}, {"beta_rate", 1.2}, {"exclude", std::vector<std::string>{"fc2.*"}}});
  method->attach(stage_of(*network));
  for (const Parameter& p : network->parameters())
    CHECK((method->transform(p) == nullptr) == p.name.starts_with("fc2"));
  auto wrong = make(
      {{"jacobian", "exact"}, {"beta_rate", 1.2}, {"exclude", std::vector<std::string>{"fc3.*"}}});
  CHECK_THROWS_AS(wrong->attach(stage_of(*network)), Error);
}

TEST_CASE("the op on the tape computes w and the chosen backward map, at every replay") {
  for (const char* jacobian : {"exact", "eye", "eye_double", "ste"}) {
    auto network = small_network();
    auto method = make({{"jacobian", jacobian},
                        {"beta_rate", 1.5},
                        {"beta_start", 4.0},
                        {"labels", std::vector<double>{-1, 0, 1}}});
    method->attach(stage_of(*network));
    const Parameter& p = network->parameters()[0];
    auto weight = method->transform(p);
    Tensor v = weight->latents()[0];
    CHECK(v.shape() == Shape{3, 3, 4});
    OnTape on(*weight, Tensor::full(p.value.shape(), 0.7f));
    CHECK(on.weight.shape() == p.value.shape());
    for (double beta : {4.0, 6.0}) {  // the tape reads beta anew
      pmf::Relaxation r{pmf::Projection::softmax, pmf::Jacobian::exact, {-1, 0, 1}};
      const std::string name = jacobian;
      r.jacobian = name == "exact"        ? pmf::Jacobian::exact
                   : name == "eye"        ? pmf::Jacobian::eye
                   : name == "eye_double" ? pmf::Jacobian::eye_double
                                          : pmf::Jacobian::ste;
      std::vector<float> u(36), w(12), g_v(36);
      pmf::project(r, beta, list(v), u, w);
      pmf::pull_back(r, beta, list(v), u, list(on.g_w), g_v);
      CHECK(list(on.weight.value()) == w);
      CHECK(list(on.latents[0].gradient()) == g_v);
      method->after_step({0, 0, 0.001});
      v.f32()[5] += 0.25f;
      on.g_w.f32()[5] = -2;
      on.replay();
    }
  }
}

TEST_CASE("the deployed weight is soft at the present beta, or a label; latents stay untouched") {
  auto network = small_network();
  auto method = make({{"jacobian", "eye"}, {"beta_rate", 1.2}, {"beta_start", 4.0}});
  method->attach(stage_of(*network));
  const Parameter& p = network->parameters()[1];  // fc1.bias [3]
  auto weight = method->transform(p);
  Tensor v = weight->latents()[0];
  v.copy_from(Tensor::from({0.3f, 0.25f, -1, -0.2f, 0.25f, 1}, {2, 3}));
  const auto before = list(v);
  Tensor out = Tensor::zeros({3});
  weight->write_deployed(Deployment::hard, out);
  CHECK(list(out) == std::vector<float>{-1, -1, 1});  // a tie goes to the lowest label index
  weight->write_deployed(Deployment::soft, out);
  CHECK(out.f32()[0] == doctest::Approx(-0.761594).epsilon(1e-6));
  CHECK(out.f32()[1] == 0);
  CHECK(list(v) == before);
  CHECK(weight->bits() == 1);
  CHECK(weight->label_set() == std::vector<float>{-1, 1});
}

TEST_CASE("a stage that continues starts on the label nearest to each float weight") {
  auto network = small_network();
  auto method = make(
      {{"jacobian", "exact"}, {"beta_rate", 1.2}, {"labels", std::vector<double>{-0.5, 0, 0.5}}});
  method->attach(stage_of(*network, false));
  const Parameter& p = network->parameters()[0];
  Tensor hard = Tensor::zeros(p.value.shape());
  method->transform(p)->write_deployed(Deployment::hard, hard);
  for (std::int64_t i = 0; i < hard.numel(); ++i) {
    const float w = p.value.f32()[i];
    CHECK(hard.f32()[i] == (w < -0.25f ? -0.5f : w > 0.25f ? 0.5f : 0.0f));
  }
}

TEST_CASE("metrics: names match values, flips count, state returns") {
  auto network = small_network();
  auto method = make(kPmf);
  method->attach(stage_of(*network));
  std::vector<std::unique_ptr<WeightTransform>> weights;
  for (const Parameter& p : network->parameters()) weights.push_back(method->transform(p));
  const auto first = method->measure();
  REQUIRE(first.size() == method->metrics(*network).size());
  CHECK(first[0] == 1);
  CHECK(first[1] > 0.6);  // beta 1: close to ln 2
  CHECK(first[1] < std::log(2.0));
  CHECK(first[3] == 0);
  CHECK(first[4] + first[5] == 23);

  MemoryState snapshot;
  const auto visit = [&](StateVisitor& visitor) { method->visit(visitor); };
  snapshot.save(visit);
  Tensor v = weights[1]->latents()[0];
  for (std::int64_t j = 0; j < 3; ++j) std::swap(v.f32()[j], v.f32()[3 + j]);
  method->after_step({0, 0, 0.001});
  const auto second = method->measure();
  CHECK(second[0] == doctest::Approx(1.2));
  CHECK(second[3] == 3);  // the three biases changed sides
  CHECK(method->measure()[3] == 0);
  snapshot.load(visit);
  const auto third = method->measure();
  CHECK(third[0] == 1);
  CHECK(third[3] == 3);  // against the labels of the snapshot
}

TEST_CASE("collapsing the labels before a convolution equals convolving with every label") {
  const Rng rng(7, "collapse");
  const auto random = [&](Shape shape, std::uint64_t offset) {
    Tensor t = Tensor::empty(std::move(shape));
    for (std::int64_t i = 0; i < t.numel(); ++i)
      t.f32()[i] = static_cast<float>(rng.normal(offset + static_cast<std::uint64_t>(i)));
    return t;
  };
  const pmf::Relaxation r{pmf::Projection::softmax, pmf::Jacobian::exact, {-1, 0.5f, 2}};
  const Shape shape{5, 2, 3, 3};
  const auto n = static_cast<std::size_t>(shape.numel());
  const Tensor v = random({3, 5, 2, 3, 3}, 0);
  std::vector<float> u(3 * n), w(n);
  pmf::project(r, 2, v.values(), u, w);

  Tape tape;
  Tensor image = Tensor::empty({Shape{2, 2, 6, 6}, DType::f32, Layout::channels_last});
  const Tensor plain = random({2, 2, 6, 6}, 10000);
  std::copy_n(plain.f32(), plain.numel(), image.f32());
  const Variable x = tape.constant(image);
  const Variable weight = tape.parameter(Tensor::from(w, shape));
  const Variable collapsed = conv2d(x, weight, {}, {});
  Tensor c = Tensor::empty(collapsed.value().spec());
  for (std::int64_t i = 0; i < c.numel(); ++i)
    c.f32()[i] = static_cast<float>(rng.normal(20000 + static_cast<std::uint64_t>(i)));
  tape.backward(sum(multiply(collapsed, tape.constant(c))));
  const std::vector<float> g_w = list(weight.gradient()), y = list(collapsed.value());

  std::vector<Variable> planes;
  Variable expanded;
  for (std::size_t l = 0; l < 3; ++l) {
    const std::span<const float> plane(u.data() + l * n, n);
    planes.push_back(tape.parameter(Tensor::from(plane, shape)));
    const Variable part = scale(conv2d(x, planes[l], {}, {}), r.labels[l]);
    expanded = l == 0 ? part : add(expanded, part);
  }
  for (std::size_t i = 0; i < y.size(); ++i)
    CHECK(std::abs(expanded.value().f32()[i] - y[i]) < 2e-5f);
  tape.backward(sum(multiply(expanded, tape.constant(c))));
  for (std::size_t l = 0; l < 3; ++l)
    for (std::size_t i = 0; i < n; ++i)
      CHECK(std::abs(planes[l].gradient().f32()[i] - r.labels[l] * g_w[i]) < 2e-4f);
}
