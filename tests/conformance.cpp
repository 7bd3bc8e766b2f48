// What every method must keep, whatever it does: each registered one is trained on a small
// convolutional network, compared with itself, stopped and resumed, evaluated, stored.
#include <cmath>
#include <filesystem>
#include <map>

#include <doctest/doctest.h>

#include "trainer_fixture.h"

using namespace bitwright;
using namespace bitwright::testing;

namespace {

using test::Given;
constexpr std::int64_t kSteps = 24;

// What a method cannot do without, or does nothing without on so small a network; the rest are its
// defaults. A method that is not listed runs as it comes.
const std::map<std::string, Given>& wanted() {
  static const std::map<std::string, Given> all{
      {"proximal_mean_field", {{"jacobian", "exact"}, {"beta_rate", 1.1}}},
      {"prox_quant", {{"reg_rate", 0.01}}},
      {"bsq", {{"alpha", 0.05}}},
  };
  return all;
}

// Three layers with weights, so that methods that spare the first and the last have one left.
std::unique_ptr<Network> three_layers() {
  NetworkBuilder builder(InputSpec{1, 6, 6, 4});
  builder.conv2d("conv1", 4, 3, {.stride = 1, .padding = 1}, false).batch_norm("bn1", true);
  builder.relu().conv2d("conv2", 6, 3, {.stride = 2, .padding = 1}, false);
  return builder.batch_norm("bn2", true).relu().flatten().linear("fc", 4).build();
}

struct Stage : TrainingStage {
  explicit Stage(const std::string& method, DType precision = DType::f32)
      : TrainingStage(random_images(140, 6), 40, three_layers(), options(method, precision)) {}

  static StageOptions options(const std::string& method, DType precision) {
    StageOptions o;
    const auto given = wanted().find(method);
    if (!method.empty()) o.methods = {{method, given == wanted().end() ? Given{} : given->second}};
    o.settings = {{"learning_rate", 0.02}, {"momentum", 0.9}};
    o.trainer = {.steps = kSteps, .evaluate_every = 5, .precision = precision};
    return o;
  }
};

std::vector<std::string> all_methods() { return test::builtin_registries().methods.names(); }

MemoryState trained(const std::string& method, DType precision = DType::f32) {
  Stage stage(method, precision);
  Recorder recorder;
  CHECK(stage.trainer->run(recorder));
  CHECK(recorder.steps.size() == kSteps);
  CHECK(std::isfinite(recorder.steps.back().train_loss));
  return stage.saved();
}

}  // namespace

TEST_CASE("gradients of all that a method trains are finite, and its tensors stay where they are") {
  for (const std::string& method : all_methods()) {
    CAPTURE(method);
    Stage stage(method);
    std::vector<const float*> before;
    for (const Optimized& o : stage.methods->optimized()) before.push_back(o.value.f32());
    stage.run();
    std::vector<const float*> after;
    for (const Optimized& o : stage.methods->optimized()) {
      CAPTURE(o.name);
      after.push_back(o.value.f32());
      REQUIRE(o.gradient.numel() == o.value.numel());
      for (const float g : o.gradient.values()) CHECK(std::isfinite(g));
      for (const float x : o.value.values()) CHECK(std::isfinite(x));
    }
    CHECK(before == after);
  }
}

TEST_CASE("the same seed gives the same bits, and plain training is none the wiser") {
  const MemoryState plain = trained("");
  for (const std::string& method : all_methods()) {
    CAPTURE(method);
    CHECK(trained(method) == trained(method));
    CHECK(trained("") == plain);
  }
}

TEST_CASE("bf16 activations do as well") {
  for (const std::string& method : all_methods()) {
    CAPTURE(method);
    CHECK(trained(method, DType::bf16) == trained(method, DType::bf16));
  }
}

TEST_CASE("a stage that is resumed has the bits of an uninterrupted one") {
  for (const std::string& method : all_methods()) {
    CAPTURE(method);
    const MemoryState whole = trained(method);
    for (const std::int64_t stop : {1, 6, 13}) {
      CAPTURE(stop);
      Stage first(method);
      Recorder some;
      some.stop_at = stop;
      CHECK(!first.trainer->run(some));
      const MemoryState saved = first.saved();
      Stage resumed(method);
      saved.load(resumed.state());
      CHECK(saved == resumed.saved());
      resumed.run();
      CHECK(resumed.saved().first_difference(whole) == "");
    }
  }
}

TEST_CASE("evaluation leaves no trace, and stored weights are the deployed ones") {
  for (const std::string& method : all_methods()) {
    CAPTURE(method);
    Stage stage(method);
    stage.run();
    stage.check_evaluation_leaves_no_trace();
    for (const Parameter& p : stage.network->parameters()) {
      CAPTURE(p.name);
      const double bits = stage.methods->bits(p);
      CHECK((bits >= 0 && bits <= 32));
      const auto coded = stage.methods->coded(p);
      if (!coded) continue;
      CHECK(stage.deployed(p) == test::decoded(*coded));
    }
  }
}

TEST_CASE("metrics are as many as declared, described, and numbers") {
  for (const std::string& method : all_methods()) {
    CAPTURE(method);
    Stage stage(method);
    const Recorder recorder = stage.run();
    std::size_t declared = 0;
    for (const MetricDeclaration& m : stage.methods->metrics()) {
      CAPTURE(m.name);
      declared += m.width();
      CHECK(!m.unit.empty());
      CHECK(!m.description.empty());
    }
    for (const EvaluationRecord& record : recorder.evaluations) {
      CHECK(record.metrics.size() == declared);
      for (const double value : record.metrics) CHECK(!std::isinf(value));
    }
  }
}

TEST_CASE("every method is documented: options, summary, README") {
  for (const std::string& method : all_methods()) {
    CAPTURE(method);
    const ComponentInfo& info = *test::builtin_registries().methods.find(method);
    CHECK(!info.summary.empty());
    for (const Option& option : info.options.list()) {
      CAPTURE(option.name);
      CHECK(option.doc.size() > 10);
    }
    const std::string folder = std::string(BITWRIGHT_SOURCE) + "/methods/" + method;
    CHECK(std::filesystem::file_size(folder + "/README.md") > 1000);
    CHECK(std::filesystem::exists(folder + "/OPTIONS.md"));
  }
}
