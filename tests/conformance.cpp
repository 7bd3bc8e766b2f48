// What every method must keep, whatever it does: each registered one is trained on a small
// convolutional network, compared with itself, stopped and resumed, evaluated, stored.
#include <cmath>
#include <filesystem>
#include <map>

#include <doctest/doctest.h>

#include <bitwright/tensor/memory_state.h>

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

ImageSet images() {
  ImageSet set;
  set.height = set.width = 6, set.channels = 1, set.classes = 4;
  const Rng pixels(3, "conformance pixels"), labels(3, "conformance labels");
  for (std::uint64_t i = 0; i < 140; ++i) {
    set.labels.push_back(static_cast<std::int32_t>(labels.below(i, 4)));
    for (std::uint64_t p = 0; p < 36; ++p)
      set.pixels.push_back(static_cast<std::uint8_t>(pixels.below(36 * i + p, 256)));
  }
  return set;
}

std::vector<std::uint32_t> range(std::uint32_t begin, std::uint32_t end) {
  std::vector<std::uint32_t> all;
  for (std::uint32_t i = begin; i < end; ++i) all.push_back(i);
  return all;
}

// Three layers with weights, so that methods that spare the first and the last have one left.
struct Stage {
  explicit Stage(const std::string& method, DType precision = DType::f32) : set(images()) {
    register_builtin_components(registries);
    NetworkBuilder builder(InputSpec{1, 6, 6, 4});
    builder.conv2d("conv1", 4, 3, {.stride = 1, .padding = 1}, false).batch_norm("bn1", true);
    builder.relu().conv2d("conv2", 6, 3, {.stride = 2, .padding = 1}, false);
    builder.batch_norm("bn2", true).relu().flatten().linear("fc", 4);
    network = builder.build();
    initialize(*network, 1);
    loader = std::make_unique<BatchLoader>(set, range(0, 100), 16, 1, unit_normalization(1),
                                           LoaderOptions{.type = precision});
    std::vector<std::unique_ptr<Method>> list;
    if (!method.empty()) {
      const auto given = wanted().find(method);
      list.push_back(registries.methods.make(test::settings_for(
          registries.methods, method, given == wanted().end() ? Given{} : given->second)));
    }
    StageInfo info{"s", 1, kSteps, loader->batches_per_epoch(), true, network.get()};
    methods = std::make_unique<MethodStack>(std::move(list), info);
    optimizer = registries.optimizers.make(test::settings_for(
        registries.optimizers, "sgd", {{"learning_rate", 0.02}, {"momentum", 0.9}}));
    schedule = registries.schedules.make(test::settings_for(registries.schedules, "cosine"));
    validation = std::make_unique<Evaluator>(
        *network, *methods,
        std::make_unique<EvaluationLoader>(set, range(100, 140), 20, unit_normalization(1),
                                           LoaderOptions{.type = precision}),
        precision);
    trainer = std::make_unique<Trainer>(
        *network, *methods, *optimizer, *schedule, *loader, *validation,
        TrainerOptions{.steps = kSteps, .evaluate_every = 5, .precision = precision});
  }

  VisitState state() {
    return [this](StateVisitor& v) { trainer->visit(v); };
  }

  ImageSet set;
  Registries registries;
  std::unique_ptr<Network> network;
  std::unique_ptr<BatchLoader> loader;
  std::unique_ptr<MethodStack> methods;
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<Schedule> schedule;
  std::unique_ptr<Evaluator> validation;
  std::unique_ptr<Trainer> trainer;
};

std::vector<std::string> all_methods() {
  Registries registries;
  register_builtin_components(registries);
  return registries.methods.names();
}

MemoryState trained(const std::string& method, DType precision = DType::f32) {
  Stage stage(method, precision);
  Recorder recorder;
  CHECK(stage.trainer->run(recorder));
  CHECK(recorder.steps.size() == kSteps);
  CHECK(std::isfinite(recorder.steps.back().train_loss));
  MemoryState state;
  state.save(stage.state());
  return state;
}

}  // namespace

TEST_CASE("gradients of all that a method trains are finite, and its tensors stay where they are") {
  for (const std::string& method : all_methods()) {
    CAPTURE(method);
    Stage stage(method);
    std::vector<const float*> before;
    for (const Optimized& o : stage.methods->optimized()) before.push_back(o.value.f32());
    Recorder recorder;
    stage.trainer->run(recorder);
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
      MemoryState saved, loaded;
      saved.save(first.state());
      Stage resumed(method);
      saved.load(resumed.state());
      loaded.save(resumed.state());
      CHECK(saved == loaded);
      Recorder rest;
      resumed.trainer->run(rest);
      MemoryState end;
      end.save(resumed.state());
      CHECK(end.first_difference(whole) == "");
    }
  }
}

TEST_CASE("evaluation leaves no trace, and stored weights are the deployed ones") {
  for (const std::string& method : all_methods()) {
    CAPTURE(method);
    Stage stage(method);
    Recorder recorder;
    stage.trainer->run(recorder);
    MemoryState before, after;
    before.save(stage.state());
    const double hard = stage.validation->run(Deployment::hard).loss;
    stage.validation->run(Deployment::soft);
    CHECK(stage.validation->run(Deployment::hard).loss == hard);
    after.save(stage.state());
    CHECK(after.first_difference(before) == "");
    for (const Parameter& p : stage.network->parameters()) {
      CAPTURE(p.name);
      const double bits = stage.methods->bits(p);
      CHECK((bits >= 0 && bits <= 32));
      const auto coded = stage.methods->coded(p);
      if (!coded) continue;
      Tensor deployed = Tensor::zeros(p.value.shape()), decoded = deployed.clone();
      stage.methods->write_deployed(p, Deployment::hard, deployed);
      coded->decode(decoded.values());
      CHECK(test::list(deployed) == test::list(decoded));
    }
  }
}

TEST_CASE("metrics are as many as declared, described, and numbers") {
  for (const std::string& method : all_methods()) {
    CAPTURE(method);
    Stage stage(method);
    Recorder recorder;
    stage.trainer->run(recorder);
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
  Registries registries;
  register_builtin_components(registries);
  for (const std::string& method : registries.methods.names()) {
    CAPTURE(method);
    const ComponentInfo& info = *registries.methods.find(method);
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
