// The plugin as the training loop sees it.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/core/rng.h>

#include "../weight.h"
#include "method_fixture.h"

using namespace bitwright;
using namespace bitwright::test;
using doctest::Approx;

namespace {

using Text = std::string;

std::unique_ptr<Method> make(const Given& given) { return make_method("bit_drop", given); }

std::string refusal(const Given& given) {
  return refusal_of([&] { make(given); });
}

OptionValue whole(int value) { return std::int64_t{value}; }

// Puts what a method trains beside the weights onto the tape.
struct TrainedOnTape final : ForwardHooks {
  Variable trained(Forward& forward, const Tensor& value) override {
    return forward.tape.parameter(value);
  }
};

// fc1.weight [3, 4] of the small network under the method.
struct Attached {
  explicit Attached(const Given& given) : network(small_network()), method(make(given)) {
    method->attach(stage_of(*network));
    for (const Parameter& p : network->parameters()) {
      auto made = method->transform(p);
      CHECK((made != nullptr) == (p.name == "fc1.weight" || p.name == "fc2.weight"));
      if (p.name == "fc1.weight")
        weight = std::move(made);
      else if (made)
        others.push_back(std::move(made));
    }
  }

  std::unique_ptr<Network> network;
  std::unique_ptr<Method> method;
  std::unique_ptr<WeightTransform> weight;
  std::vector<std::unique_ptr<WeightTransform>> others;
};

}  // namespace

TEST_CASE("latents: the float weight, alpha from its spread, sigma a third of that") {
  Attached a({{"drop_bits", Text("learned")}, {"weight_bits", whole(4)}});
  const auto latents = a.weight->latents();
  REQUIRE(latents.size() == 4);
  const auto w = list(a.network->parameters()[0].value);
  CHECK(list(latents[0]) == w);
  double mean = 0, square = 0;
  for (float x : w) mean += static_cast<double>(x) / 12;
  for (float x : w)
    square += (static_cast<double>(x) - mean) * (static_cast<double>(x) - mean) / 12;
  CHECK(latents[1].item() == Approx(3 * std::sqrt(square) / 8));
  CHECK(latents[2].item() == Approx(static_cast<double>(latents[1].item()) / 3));
  CHECK(list(latents[3]) == std::vector<float>{2, 2, 2});
  CHECK(a.weight->rule(0).rate == 1);
  CHECK(a.weight->rule(0).decay == 1);
  CHECK(a.weight->rule(1).rate == 0.1);
  CHECK(a.weight->rule(2).decay == 0);
  CHECK(a.weight->rule(3).rate == 10);
  CHECK(a.weight->rule(3).decay == 0);
}

TEST_CASE("the deployed weight is on the grid, and is what its codes decode to") {
  Attached a({{"weight_bits", whole(3)}});
  auto latents = a.weight->latents();
  *latents[1].f32() = 0.3f;
  Tensor hard = Tensor::zeros({3, 4}), soft = Tensor::zeros({3, 4});
  a.weight->write_deployed(Deployment::hard, hard);
  a.weight->write_deployed(Deployment::soft, soft);
  CHECK(list(soft) == list(latents[0]));
  const auto coded = a.weight->coded();
  REQUIRE(coded);
  CHECK(coded->bits == 3);
  CHECK(coded->first == -4);
  CHECK(coded->stored_bits() == 3 * 12 + 32);
  CHECK(decoded(*coded) == list(hard));
  const auto labels = a.weight->label_set();
  CHECK(labels.size() == 8);
  for (float x : hard.values()) CHECK(std::ranges::count(labels, x) == 1);
}

TEST_CASE("in heterogeneous mode the gates decide bits, grid and codes") {
  Attached a({{"drop_bits", Text("heterogeneous")}, {"weight_bits", whole(4)}});
  auto latents = a.weight->latents();
  CHECK(a.weight->bits() == 4);
  latents[3].f32()[1] = -3;  // level 3 closes, and level 4 with it
  CHECK(a.weight->bits() == 2);
  CHECK(a.weight->label_set().size() == 4);
  *latents[1].f32() = 0.1f;
  Tensor hard = Tensor::zeros({3, 4});
  a.weight->write_deployed(Deployment::hard, hard);
  for (float x : hard.values()) {
    CHECK(x >= -0.2f);
    CHECK(x <= 0.1f);
  }
  const auto coded = a.weight->coded();
  CHECK(coded->bits == 2);
  CHECK(decoded(*coded) == list(hard));
  // With gates that are only learned the whole grid is deployed.
  Attached b({{"drop_bits", Text("learned")}, {"weight_bits", whole(4)}});
  b.weight->latents()[3].f32()[1] = -3;
  CHECK(b.weight->bits() == 4);
}

TEST_CASE("gates are drawn once a step for each tensor, from seed, name and step alone") {
  const Given given{{"drop_bits", Text("fixed")}, {"weight_bits", whole(4)}, {"keep_prob", 0.5}};
  const auto of_steps = [&](std::vector<std::int64_t> steps) {
    Attached a(given);
    *a.weight->latents()[1].f32() = 0.05f;  // many weights beyond the lower levels
    OnTape on(*a.weight, Tensor::full({3, 4}, 1));
    std::vector<std::vector<float>> all;
    for (std::int64_t step : steps) {
      a.method->before_step({step, 0, 0.001});
      on.replay();
      all.push_back(list(on.weight.value()));
    }
    return all;
  };
  const auto forward = of_steps({0, 1, 2, 3, 4, 5, 6, 7}), one = of_steps({5, 5});
  CHECK(one[0] == forward[5]);
  CHECK(one[1] == forward[5]);
  CHECK(std::ranges::count(forward, forward[5]) < 8);
}

TEST_CASE("gradients on the tape: ln a by finite differences of the surrogate's masks") {
  // One weight far out, whose expectation under the masks is what all classes differentiates.
  Attached a({{"drop_bits", Text("learned")}, {"weight_bits", whole(2)}});
  auto latents = a.weight->latents();
  latents[0].fill(0.0f);
  *latents[0].f32() = 0.26f;
  *latents[1].f32() = 0.5f;
  *latents[2].f32() = 0.3f;
  const bit_drop::HardConcrete law;
  Tensor g = Tensor::zeros({3, 4});
  *g.f32() = 1;
  bool open = false;
  for (std::int64_t step = 0; step < 60 && !open; ++step) {
    const double u = 1e-6 + (1 - 2e-6) * Rng(1, "bit_drop.gates", hash_name("fc1.weight"),
                                             static_cast<std::uint64_t>(step))
                                             .uniform(0);
    *latents[3].f32() = 0.2f;
    if (law.slope(0.2, u) == 0) continue;
    open = true;
    a.method->before_step({step, 0, 0.001});
    OnTape on(*a.weight, g);
    const auto expectation = [&](double ln_a) {  // E of the code under masks, in double
      const double z = law.sample(ln_a, u), x = 0.26, alpha = 0.5, sigma = 0.3;
      double sum = 0, mass = 0;
      const auto s = [](double v) { return 1 / (1 + std::exp(-v)); };
      for (int code = -2; code <= 1; ++code) {
        const double at = alpha * code;
        const double raw = s((at + alpha / 2 - static_cast<double>(static_cast<float>(x))) /
                             static_cast<double>(static_cast<float>(sigma))) -
                           s((at - alpha / 2 - static_cast<double>(static_cast<float>(x))) /
                             static_cast<double>(static_cast<float>(sigma)));
        const double m = code == -2 || code == 1 ? z : 1;
        sum += m * raw * at, mass += m * raw;
      }
      return sum / mass;
    };
    const double ln_a = static_cast<double>(0.2f);
    const double numeric = (expectation(ln_a + 1e-5) - expectation(ln_a - 1e-5)) / 2e-5;
    CHECK(std::abs(numeric) > 1e-4);
    CHECK(on.latents[3].gradient().item() == Approx(numeric).epsilon(1e-4));
  }
  CHECK(open);
}

TEST_CASE("item 9: the penalty's gradient is lambda P (1 - P) on every ln a") {
  for (const bool weighted : {false, true}) {
    Attached a({{"drop_bits", Text("heterogeneous")},
                {"weight_bits", whole(3)},
                {"penalty", 0.3},
                {"weight_by_params", weighted}});
    Tape tape;
    ForwardHooks hooks;
    Forward forward(tape, true, hooks);
    std::vector<Variable> latents, theirs;
    auto tensors = a.weight->latents();
    tensors[3].f32()[0] = 0.5f;
    for (const Tensor& latent : tensors) latents.push_back(tape.parameter(latent));
    for (const Tensor& latent : a.others[0]->latents()) theirs.push_back(tape.parameter(latent));
    a.weight->effective(forward, latents);
    a.others[0]->effective(forward, theirs);
    const auto terms = a.method->loss_terms(forward);
    REQUIRE(terms.size() == 1);
    CHECK(terms[0].name == "bit_penalty");
    tape.backward(terms[0].value);
    const bit_drop::HardConcrete law;
    const double p = law.probability(0.5), rest = law.probability(2);
    const double mine = weighted ? 0.3 * 12 / 18 : 0.3, other = weighted ? 0.3 * 6 / 18 : 0.3;
    CHECK(terms[0].value.value().item() == Approx(mine * (p + rest) + other * 2 * rest));
    CHECK(latents[3].gradient().values()[0] == Approx(mine * p * (1 - p)));
    CHECK(latents[3].gradient().values()[1] == Approx(mine * rest * (1 - rest)));
    CHECK(theirs[3].gradient().values()[1] == Approx(other * rest * (1 - rest)));
  }
}

TEST_CASE("after an update alpha is above 0, sigma not below its share, ln a in its interval") {
  Attached a({{"drop_bits", Text("learned")}});
  auto latents = a.weight->latents();
  *latents[1].f32() = -0.2f;
  *latents[2].f32() = -1;
  latents[3].f32()[0] = 50;
  latents[3].f32()[1] = -50;
  a.method->after_update({0, 0, 0.001});
  CHECK(latents[1].item() == 1e-6f);
  CHECK(latents[2].item() == Approx(0.05e-6));
  CHECK(latents[3].values()[0] == Approx(std::log(100)));
  CHECK(latents[3].values()[1] == Approx(-std::log(100)));
  *latents[1].f32() = 0.4f;
  *latents[2].f32() = 0.001f;
  a.method->after_update({1, 0, 0.001});
  CHECK(latents[1].item() == 0.4f);
  CHECK(latents[2].item() == Approx(0.02));
}

TEST_CASE("inputs: not the image; alpha from the first training batch; frozen when deployed") {
  Attached a({{"activation_bits", whole(2)}});
  const auto trained = a.method->trained();
  REQUIRE(trained.size() == 2);
  CHECK(trained[0].name == "fc2.alpha");
  CHECK(trained[1].name == "fc2.sigma");
  CHECK(trained[0].rule.rate == 0.1);
  CHECK(trained[0].rule.decay == 0);
  Tensor batch = Tensor::from({0, 0.2f, 1.5f, 0.9f, 0.6f, 0}, {2, 3});
  NamedLayer layer;
  TrainedOnTape hooks;
  Tape tape;
  Forward training(tape, true, hooks);
  const Variable x = tape.parameter(batch);
  const Variable y = a.method->layer_input(training, layer, x);
  CHECK(trained[0].value.item() == 0.5f);
  CHECK(trained[1].value.item() == Approx(0.5 / 3));
  CHECK(list(y.value()) == std::vector<float>{0, 0, 1.5f, 1, 0.5f, 0});
  batch.fill(3);
  tape.forward();
  CHECK(trained[0].value.item() == 0.5f);  // the first batch only
  Tape other;
  Forward deployed(other, false, hooks);
  batch.copy_from(Tensor::from({0, 0.2f, 0.3f, 0.9f, 9, 0.8f}, {2, 3}));
  const Variable z = a.method->layer_input(deployed, layer, other.constant(batch));
  CHECK(list(z.value()) == std::vector<float>{0, 0, 0.5f, 1, 1.5f, 1});
  layer.called = "fc1";
  CHECK(other.size() == 1);
  a.method->layer_input(deployed, layer, other.constant(batch));
  CHECK(other.size() == 1);  // the image stays as it is
}

TEST_CASE("negative inputs have no grid, and are refused in one sentence") {
  Attached a({});
  a.method->trained();
  const NamedLayer layer;
  TrainedOnTape hooks;
  Tape tape;
  Forward training(tape, true, hooks);
  const Variable x = tape.constant(Tensor::from({0.5f, -0.25f, 1}, {1, 3}));
  CHECK_THROWS_WITH_AS(a.method->layer_input(training, layer, x),
                       doctest::Contains("fc2.input has negative values, such as -0.25"), Error);
}

TEST_CASE("options that an arm does not read, and arms that make no sense, are refused in place") {
  CHECK(refusal({}).empty());
  for (const char* estimator : {"rq", "rq_st", "ste"}) {
    CHECK(refusal({{"estimator", Text(estimator)}, {"drop_bits", Text("none")}}).empty());
    CHECK(refusal({{"estimator", Text(estimator)}, {"drop_bits", Text("learned")}})
              .starts_with("test.yaml:3:5: error: drop_bits learned with estimator"));
    CHECK(refusal({{"estimator", Text(estimator)},
                   {"drop_bits", Text("none")},
                   {"ste", Text("mode_only")}})
              .starts_with("test.yaml:3:5: error: ste is not read by estimator"));
  }
  CHECK(refusal({{"temperature", 0.5}}).find("temperature is not read") != Text::npos);
  CHECK(refusal({{"truncate", false}}).find("without truncation") != Text::npos);
  CHECK(refusal({{"truncate", false}, {"drop_bits", Text("none")}}).empty());
  CHECK(refusal({{"drop_bits", Text("learned")}, {"keep_prob", 0.5}}).find("keep_prob") !=
        Text::npos);
  CHECK(refusal({{"drop_bits", Text("fixed")}, {"gate_init", 1.0}}).find("gate_init is not read") !=
        Text::npos);
  CHECK(refusal({{"penalty", 1.0}}).find("penalty is not read") != Text::npos);
  CHECK(refusal({{"weight_bits", whole(9)}}).find("2 to 8 bits") != Text::npos);
  CHECK(refusal({{"weight_bits", whole(32)}}).find("float weights") != Text::npos);
  CHECK(refusal({{"weight_bits", whole(32)}, {"drop_bits", Text("none")}}).empty());
  CHECK(
      refusal(
          {{"weight_bits", whole(32)}, {"activation_bits", whole(32)}, {"drop_bits", Text("none")}})
          .find("both stay float") != Text::npos);
  CHECK(refusal({{"sigma_init", 0.1}, {"sigma_floor", 0.2}}).find("sigma_init") != Text::npos);
}

TEST_CASE("metrics are declared for the layers that are quantized, and measured in that order") {
  for (const char* drop : {"none", "fixed", "heterogeneous"}) {
    Attached a({{"drop_bits", Text(drop)}});
    std::size_t width = 0;
    const auto declared = a.method->metrics(*a.network);
    for (const MetricDeclaration& m : declared) width += m.width();
    const auto values = a.method->measure();
    REQUIRE(values.size() == width);
    CHECK(declared[0].name == "average_bits");
    CHECK(values[0] == 3);
    CHECK(declared[1].layers == std::vector<std::string>{"fc1", "fc2"});
    CHECK(values[3] == Approx(static_cast<double>(a.weight->latents()[1].item())));
    CHECK(declared.back().layers == std::vector<std::string>{"fc2"});
    if (Text(drop) == "fixed") {
      std::size_t at = 0;
      for (const MetricDeclaration& m : declared) {
        if (m.name.starts_with("keep_probability")) CHECK(values[at] == Approx(0.8).epsilon(1e-5));
        at += m.width();
      }
    }
  }
}
