// KURE in the training loop: what it changes, what it leaves, and that it composes.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/quant/moments.h>

#include "trainer_fixture.h"

using namespace bitwright;
using namespace bitwright::test;
using bitwright::testing::MethodChoice;
using bitwright::testing::Recorder;
using bitwright::testing::SmallStage;
using bitwright::testing::StageOptions;

namespace {

const Given on_all{{"weights", std::vector<std::string>{"fc?.weight"}}};

Given with(Given given, const std::string& name, OptionValue value) {
  given.emplace_back(name, std::move(value));
  return given;
}

struct Small : SmallStage {
  explicit Small(const MethodChoice& methods, std::int64_t steps = 20)
      : SmallStage(options(methods, steps)) {}
  static StageOptions options(const MethodChoice& methods, std::int64_t steps) {
    StageOptions o;
    o.methods = methods;
    o.settings = {{"learning_rate", 0.05}, {"momentum", 0.9}};
    o.trainer = {.steps = steps, .evaluate_every = 5};
    return o;
  }
};

// The bits of everything that training leaves, methods' names aside.
std::string weight_bits(Small& run) {
  std::string all;
  for (const Optimized& o : run.methods->optimized())
    all.append(static_cast<const char*>(o.value.data()), o.value.bytes());
  return all;
}

}  // namespace

TEST_CASE("with lambda 0 training is plain training, bit for bit, and still measured") {
  Small plain({}), measured({{"robust_quantization", with(on_all, "lambda", 0.0)}}),
      pulled({{"robust_quantization", with(on_all, "target", 3.0)}});  // fresh weights: uniform
  const Recorder a = plain.run(), b = measured.run(), c = pulled.run();
  CHECK(weight_bits(plain) == weight_bits(measured));
  CHECK(weight_bits(plain) != weight_bits(pulled));
  REQUIRE(a.steps.size() == b.steps.size());
  for (std::size_t i = 0; i < a.steps.size(); ++i)
    CHECK(std::memcmp(&a.steps[i].train_loss, &b.steps[i].train_loss, sizeof(double)) == 0);
  const std::vector<double>& last = b.evaluations.back().metrics;
  REQUIRE(last.size() == 3);
  CHECK(last[0] == 0);
  CHECK(last[1] > 1);
  const std::vector<double>& strong = c.evaluations.back().metrics;
  CHECK(strong[0] > 0);
  CHECK(strong[1] > last[1] + 0.05);
}

TEST_CASE("the term sees the float weights of a quantizer, and reaches them") {
  // BinaryConnect's effective weights are signs: a kurtosis near 1 with no way to change.
  Small quantized({{"binary_connect", {}}}, 1),
      both({{"binary_connect", {}}, {"robust_quantization", on_all}}, 1);
  quantized.run();
  const Recorder b = both.run();
  CHECK(weight_bits(quantized) != weight_bits(both));
  const Tensor latent = both.methods->optimized()[0].value;
  const double kurtosis = MomentMeter{}.measure(std::as_const(latent).values()).kurtosis(1);
  const std::vector<double>& metrics = b.evaluations.back().metrics;
  CHECK(metrics[metrics.size() - 2] == doctest::Approx(kurtosis).epsilon(1e-12));
  CHECK(kurtosis > 1.3);
}

TEST_CASE("weights that are computed on the tape are pulled too") {
  const Given pmf{{"jacobian", "exact"}, {"beta_rate", 1.0}};
  Small both({{"proximal_mean_field", pmf}, {"robust_quantization", on_all}}, 3);
  const Recorder seen = both.run();
  const std::vector<double>& metrics = seen.evaluations.back().metrics;
  CHECK(metrics[metrics.size() - 3] > 0);
  CHECK(metrics[metrics.size() - 2] > 1);
}

TEST_CASE("a resumed run goes on bit for bit") {
  Small whole({{"robust_quantization", on_all}});
  const Recorder all = whole.run();
  Small killed({{"robust_quantization", on_all}}), resumed({{"robust_quantization", on_all}});
  killed.run(9);
  killed.saved().load(resumed.state());
  const Recorder rest = resumed.run();
  CHECK(state_equal(whole.state(), resumed.state()));
  CHECK(all.evaluations.back().metrics == rest.evaluations.back().metrics);
}

TEST_CASE("by default all convolutions but the first; patterns change that") {
  const auto names = [](const std::string& network, const Given& given) {
    const auto net = make_network(network, {3, 32, 32, 10});
    const auto method = make_method("robust_quantization", given);
    method->attach(stage_of(*net));
    return method->metrics(*net).back().layers;
  };
  const auto resnet = names("resnet20", {});
  CHECK(resnet.size() == 18);
  CHECK(std::ranges::find(resnet, "conv1.weight") == resnet.end());
  CHECK(std::ranges::none_of(resnet, [](const auto& n) { return n.starts_with("fc"); }));
  CHECK(names("resnet20", {{"except", std::vector<std::string>{"layer1.*"}}}).size() == 12);
  CHECK(names("resnet20", {{"weights", std::vector<std::string>{"fc.weight"}}}) ==
        std::vector<std::string>{"fc.weight"});
  CHECK_THROWS_WITH_AS(names("resnet20", {{"weights", std::vector<std::string>{"nothing*"}}}),
                       doctest::Contains("matches no parameter"), Error);
}
