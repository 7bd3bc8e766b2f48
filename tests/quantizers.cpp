// The standard quantizers in the real training loop: something is learned, evaluation changes
// nothing, a resumed run has the bits of an uninterrupted one; and which methods act together.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <bitwright/tensor/memory_state.h>

#include "experiment/load_experiment.h"
#include "trainer_fixture.h"

using namespace bitwright;
using namespace bitwright::testing;

namespace {

using test::Given;

// A stage of SmallStage's network with methods of one's own choice.
struct Quantized {
  using Choice = std::vector<std::pair<std::string, Given>>;

  explicit Quantized(const Choice& choice, DType precision = DType::f32)
      : base([] {
          StageOptions options;
          options.trainer.steps = 24;
          options.settings = {{"learning_rate", 0.02}};
          return options;
        }()) {
    std::vector<std::unique_ptr<Method>> list;
    for (const auto& [name, given] : choice)
      list.push_back(
          base.registries.methods.make(test::settings_for(base.registries.methods, name, given)));
    const StageInfo info{"s", 1, 24, base.loader->batches_per_epoch(), true, base.network.get()};
    methods = std::make_unique<MethodStack>(std::move(list), info);
    validation = std::make_unique<Evaluator>(
        *base.network, *methods,
        std::make_unique<EvaluationLoader>(base.images, held_out(), 20, unit_normalization(1)),
        precision);
    trainer = std::make_unique<Trainer>(
        *base.network, *methods, *base.optimizer, *base.schedule, *base.loader, *validation,
        TrainerOptions{.steps = 24, .evaluate_every = 5, .precision = precision});
  }

  static std::vector<std::uint32_t> held_out() {
    std::vector<std::uint32_t> some;
    for (std::uint32_t i = 100; i < 140; ++i) some.push_back(i);
    return some;
  }
  VisitState state() {
    return [this](StateVisitor& v) { trainer->visit(v); };
  }
  std::vector<float> latents() {
    std::vector<float> all;
    for (const Optimized& o : methods->optimized())
      all.insert(all.end(), o.value.values().begin(), o.value.values().end());
    return all;
  }

  SmallStage base;
  std::unique_ptr<MethodStack> methods;
  std::unique_ptr<Evaluator> validation;
  std::unique_ptr<Trainer> trainer;
};

Given bits(std::int64_t weights, std::int64_t activations, const Given& more = {}) {
  Given given{{"weight_bits", weights},
              {"activation_bits", activations},
              {"first_last_bits", std::min(weights, activations)}};
  given.insert(given.end(), more.begin(), more.end());
  return given;
}

Given inputs_of_4_bits(const Given& more = {}) {
  Given given{{"weight_bits", std::int64_t{32}}, {"first_last_bits", std::int64_t{4}}};
  given.insert(given.end(), more.begin(), more.end());
  return given;
}

const std::vector<std::pair<std::string, Quantized::Choice>>& choices() {
  static const std::vector<std::pair<std::string, Quantized::Choice>> all{
      {"lsq", {{"lsq", bits(3, 3)}}},
      {"lsq, channels", {{"lsq", bits(2, 4, {{"weight_granularity", "channel"}})}}},
      {"dorefa", {{"dorefa", bits(2, 2)}}},
      {"dorefa, 1 bit", {{"dorefa", bits(1, 1)}}},
      {"pact", {{"pact", bits(3, 3, {{"clip_start", 0.5}})}}},
      {"uniform", {{"uniform", bits(4, 4)}}},
      {"uniform, ternary", {{"uniform", bits(2, 4, {{"weight_grid", "ternary"}})}}},
      {"uniform, image",
       {{"uniform", bits(4, 4, {{"quantize_input", true}, {"power_of_two", true}})}}},
      {"pmf and pact",
       {{"proximal_mean_field", {{"jacobian", "exact"}, {"beta_rate", 1.1}}},
        {"pact", inputs_of_4_bits({{"clip_start", 0.5}})}}},
      {"pmf and lsq",
       {{"proximal_mean_field", {{"jacobian", "exact"}, {"beta_rate", 1.1}}},
        {"lsq", inputs_of_4_bits()}}},
      {"lsq weights, pact inputs",
       {{"lsq", {{"activation_bits", std::int64_t{32}}, {"first_last_bits", std::int64_t{4}}}},
        {"pact", inputs_of_4_bits({{"clip_start", 0.5}})}}},
  };
  return all;
}

}  // namespace

TEST_CASE("quantizers train, and evaluation leaves everything as it is") {
  for (const auto& [what, choice] : choices()) {
    CAPTURE(what);
    Quantized q(choice);
    Recorder recorder;
    q.trainer->run(recorder);
    REQUIRE(recorder.steps.size() == 24);
    CHECK(std::isfinite(recorder.steps.back().train_loss));
    // All that is trained has moved.
    for (const Optimized& o : q.methods->optimized()) {
      CAPTURE(o.name);
      CHECK(std::ranges::any_of(o.gradient.values(), [](float g) { return g != 0; }));
    }
    MemoryState at_end, after;
    at_end.save(q.state());
    const Evaluation hard = q.validation->run(Deployment::hard);
    const Evaluation soft = q.validation->run(Deployment::soft);
    if (what.find("pmf") == std::string::npos) CHECK(hard.loss == soft.loss);
    CHECK(q.validation->run(Deployment::hard).loss == hard.loss);
    after.save(q.state());
    CHECK(at_end == after);
    // Stored weights are the deployed ones.
    for (const Parameter& p : q.base.network->parameters()) {
      const auto coded = q.methods->coded(p);
      if (!coded) continue;
      Tensor w = Tensor::zeros(p.value.shape()), decoded = w.clone();
      q.methods->write_deployed(p, Deployment::hard, w);
      coded->decode(decoded.values());
      CHECK(std::ranges::equal(w.values(), decoded.values()));
    }
  }
}

TEST_CASE("bf16 activations train too") {
  for (const char* name : {"lsq", "dorefa", "pact", "uniform"}) {
    CAPTURE(name);
    Quantized q({{name, bits(4, 4)}}, DType::bf16);
    Recorder recorder;
    q.trainer->run(recorder);
    CHECK(std::isfinite(recorder.steps.back().train_loss));
  }
}

TEST_CASE("a quantized stage that is resumed has the bits of an uninterrupted one") {
  for (const auto& [what, choice] : choices()) {
    Quantized whole(choice);
    Recorder all;
    whole.trainer->run(all);
    for (std::int64_t stop : {1, 9}) {
      CAPTURE(what);
      CAPTURE(stop);
      Quantized first(choice);
      Recorder some;
      some.stop_at = stop;
      first.trainer->run(some);
      MemoryState saved;
      saved.save(first.state());
      Quantized resumed(choice);
      saved.load(resumed.state());
      Recorder rest;
      resumed.trainer->run(rest);
      REQUIRE(some.steps.size() + rest.steps.size() == 24);
      CHECK(rest.steps.back().train_loss == all.steps.back().train_loss);
      CHECK(resumed.latents() == whole.latents());
      MemoryState one, two;
      one.save(whole.state());
      two.save(resumed.state());
      CHECK(one == two);
    }
  }
}

TEST_CASE("methods that act on the same weights are refused in one sentence") {
  const auto answer = [](const std::string& methods) {
    Registries registries;
    register_builtin_components(registries);
    try {
      load_experiment(registries,
                      read_config_text("experiment: e\ndata: glyphs\nnetwork: lenet300\nstages:\n"
                                       "- {name: a, steps: 5, optimizer: {name: adam, "
                                       "learning_rate: 0.1}, methods: [" +
                                           methods + "]}\n",
                                       "f.yaml", {}),
                      "");
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  const std::string pmf = "{name: proximal_mean_field, jacobian: eye, beta_rate: 1.2}, ";
  CHECK(answer(pmf + "{name: pact, weight_bits: 32}") == "accepted");
  CHECK(answer(pmf + "{name: lsq, weight_bits: 32}") == "accepted");
  CHECK(answer("{name: lsq, activation_bits: 32}, {name: pact, weight_bits: 32}") == "accepted");
  for (const char* other : {"lsq", "uniform", "dorefa", "pact"}) {
    CAPTURE(other);
    const std::string said = answer(pmf + other);
    CHECK(said.starts_with("f.yaml:5:"));
    CHECK(said.find("'proximal_mean_field' and '" + std::string(other) + "' both transform") !=
          std::string::npos);
  }
  CHECK(answer("lsq, dorefa").find("both transform") != std::string::npos);
}
