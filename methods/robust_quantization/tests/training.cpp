// KURE in the training loop: what it changes, what it leaves, and that it composes.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/quant/moments.h>
#include <bitwright/tensor/memory_state.h>

#include "method_fixture.h"
#include "trainer_fixture.h"

using namespace bitwright;
using namespace bitwright::test;
using bitwright::testing::Recorder;
using bitwright::testing::SmallStage;

namespace {

const Given on_all{{"weights", std::vector<std::string>{"fc?.weight"}}};

Given with(Given given, const std::string& name, OptionValue value) {
  given.emplace_back(name, std::move(value));
  return given;
}

// SmallStage's network and data, trained with these methods.
struct Small {
  explicit Small(const std::vector<std::pair<std::string, Given>>& list, std::int64_t steps = 20)
      : stage({}) {
    std::vector<std::unique_ptr<Method>> all;
    for (const auto& [name, given] : list)
      all.push_back(
          stage.registries.methods.make(settings_for(stage.registries.methods, name, given)));
    const StageInfo info{
        "s", 1, steps, stage.loader->batches_per_epoch(), true, stage.network.get()};
    methods = std::make_unique<MethodStack>(std::move(all), info);
    optimizer = stage.registries.optimizers.make(settings_for(
        stage.registries.optimizers, "sgd", {{"learning_rate", 0.05}, {"momentum", 0.9}}));
    validation = std::make_unique<Evaluator>(
        *stage.network, *methods,
        std::make_unique<EvaluationLoader>(stage.images, std::vector<std::uint32_t>{1, 2, 3}, 3,
                                           unit_normalization(1)));
    trainer = std::make_unique<Trainer>(*stage.network, *methods, *optimizer, *stage.schedule,
                                        *stage.loader, *validation,
                                        TrainerOptions{.steps = steps, .evaluate_every = 5});
  }
  VisitState state() {
    return [this](StateVisitor& v) { trainer->visit(v); };
  }

  SmallStage stage;
  std::unique_ptr<MethodStack> methods;
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<Evaluator> validation;
  std::unique_ptr<Trainer> trainer;
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
  Recorder a, b, c;
  plain.trainer->run(a), measured.trainer->run(b), pulled.trainer->run(c);
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
  Recorder a, b;
  quantized.trainer->run(a), both.trainer->run(b);
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
  Recorder seen;
  both.trainer->run(seen);
  const std::vector<double>& metrics = seen.evaluations.back().metrics;
  CHECK(metrics[metrics.size() - 3] > 0);
  CHECK(metrics[metrics.size() - 2] > 1);
}

TEST_CASE("a resumed run goes on bit for bit") {
  Small whole({{"robust_quantization", on_all}});
  Recorder all;
  whole.trainer->run(all);
  Small killed({{"robust_quantization", on_all}}), resumed({{"robust_quantization", on_all}});
  Recorder until, rest;
  until.stop_at = 9;
  killed.trainer->run(until);
  MemoryState saved;
  saved.save(killed.state());
  saved.load(resumed.state());
  resumed.trainer->run(rest);
  CHECK(state_equal(whole.state(), resumed.state()));
  CHECK(all.evaluations.back().metrics == rest.evaluations.back().metrics);
}

TEST_CASE("by default all convolutions but the first; patterns change that") {
  Registries registries;
  register_builtin_components(registries);
  const auto names = [&](const std::string& network, const Given& given) {
    const auto net = registries.networks.make(settings_for(registries.networks, network),
                                              InputSpec{3, 32, 32, 10});
    const auto method =
        registries.methods.make(settings_for(registries.methods, "robust_quantization", given));
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
