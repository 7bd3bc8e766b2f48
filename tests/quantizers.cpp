// The standard quantizers in the real training loop: something is learned, evaluation changes
// nothing, a resumed run has the bits of an uninterrupted one; and which methods act together.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "experiment/load_experiment.h"
#include "trainer_fixture.h"

using namespace bitwright;
using namespace bitwright::testing;

namespace {

using test::Given;

struct Quantized : SmallStage {
  explicit Quantized(const MethodChoice& methods, DType precision = DType::f32)
      : SmallStage(options(methods, precision)) {}

  static StageOptions options(const MethodChoice& methods, DType precision) {
    StageOptions o;
    o.methods = methods;
    o.settings = {{"learning_rate", 0.02}};
    o.trainer = {.steps = 24, .evaluate_every = 5, .precision = precision};
    return o;
  }
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

const std::vector<std::pair<std::string, MethodChoice>>& choices() {
  static const std::vector<std::pair<std::string, MethodChoice>> all{
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
    const Recorder recorder = q.run();
    REQUIRE(recorder.steps.size() == 24);
    CHECK(std::isfinite(recorder.steps.back().train_loss));
    // All that is trained has moved.
    for (const Optimized& o : q.methods->optimized()) {
      CAPTURE(o.name);
      CHECK(std::ranges::any_of(o.gradient.values(), [](float g) { return g != 0; }));
    }
    q.check_evaluation_leaves_no_trace();
    if (what.find("pmf") == std::string::npos)
      CHECK(q.validation->run(Deployment::hard).loss == q.validation->run(Deployment::soft).loss);
    // Stored weights are the deployed ones.
    for (const Parameter& p : q.network->parameters()) {
      const auto coded = q.methods->coded(p);
      if (coded) CHECK(q.deployed(p) == test::decoded(*coded));
    }
  }
}

TEST_CASE("bf16 activations train too") {
  for (const char* name : {"lsq", "dorefa", "pact", "uniform"}) {
    CAPTURE(name);
    Quantized q({{name, bits(4, 4)}}, DType::bf16);
    const Recorder recorder = q.run();
    CHECK(std::isfinite(recorder.steps.back().train_loss));
  }
}

TEST_CASE("a quantized stage that is resumed has the bits of an uninterrupted one") {
  for (const auto& [what, choice] : choices()) {
    Quantized whole(choice);
    const Recorder all = whole.run();
    for (std::int64_t stop : {1, 9}) {
      CAPTURE(what);
      CAPTURE(stop);
      Quantized first(choice);
      const Recorder some = first.run(stop);
      Quantized resumed(choice);
      first.saved().load(resumed.state());
      const Recorder rest = resumed.run();
      REQUIRE(some.steps.size() + rest.steps.size() == 24);
      CHECK(rest.steps.back().train_loss == all.steps.back().train_loss);
      CHECK(resumed.weights() == whole.weights());
      CHECK(resumed.saved() == whole.saved());
    }
  }
}

TEST_CASE("methods that act on the same weights are refused in one sentence") {
  const auto answer = [](const std::string& methods) {
    try {
      load_experiment(test::builtin_registries(),
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
