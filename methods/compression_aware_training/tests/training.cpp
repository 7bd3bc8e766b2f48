// The method in the real training loop, on a few hundred embedded digits.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "../weight.h"
#include "glyph_training.h"

using namespace bitwright;
using namespace bitwright::test;
using bitwright::testing::GlyphOptions;
using bitwright::testing::GlyphTraining;

namespace {

// LeNet-5 on 600 digits, 12 steps an epoch.
struct Training : GlyphTraining {
  explicit Training(const Given& given, std::int64_t steps = 30)
      : GlyphTraining(options(given, steps)) {}
  static GlyphOptions options(const Given& given, std::int64_t steps) {
    GlyphOptions o;
    o.methods = {{"compression_aware_training", given}};
    o.network = "lenet5";
    o.images = 900, o.held_out = 300;
    o.trainer = {.steps = steps, .evaluate_every = 10};
    return o;
  }

  EvaluationRecord last_evaluation(std::int64_t stop_at = 0) {
    return run(stop_at).evaluations.back();
  }
  double metric(const EvaluationRecord& record, const std::string& name,
                std::size_t layer = 0) const {
    return test::metric(methods->metrics(), record.metrics, name).at(layer);
  }
};

}  // namespace

TEST_CASE("compression: lambda 0 trains bit-identically to quantization alone (item 10)") {
  Training without({{"regularizer", std::string("none")}, {"lambda", 0.3}});
  Training zero({{"lambda", 0.0}}), some({{"lambda", 0.3}});
  without.run();
  zero.run();
  some.run();
  CHECK(without.saved().first_difference(zero.saved()) == "");
  CHECK(without.saved().first_difference(some.saved()) != "");
}

TEST_CASE("compression: bits per activation fall with lambda, and measurements agree") {
  Training none({{"lambda", 0.0}}, 60), strong({{"lambda", 1.0}}, 60);
  const EvaluationRecord a = none.last_evaluation(), b = strong.last_evaluation();
  CHECK(strong.metric(b, "hard_entropy") < none.metric(a, "hard_entropy") - 0.2);
  CHECK(a.hard.accuracy > 0.5);
  for (Training* training : {&none, &strong}) {
    const EvaluationRecord& r = training == &none ? a : b;
    const double hard = training->metric(r, "hard_entropy");
    const double huffman = training->metric(r, "huffman_bits");
    CHECK(hard > 0);
    CHECK(hard < 5);
    CHECK(huffman >= hard);
    CHECK(std::abs(training->metric(r, "soft_entropy") - hard) < 0.2);
    double total = 0, n = 0;
    std::size_t l = 0;
    for (const LayerSummary& layer : training->network->summary()) {
      if (layer.kind != "relu") continue;
      const auto values = static_cast<double>(layer.output.numel());
      const double h = training->metric(r, "layer_hard_entropy", l);
      const double code = training->metric(r, "layer_huffman_bits", l);
      CHECK(training->metric(r, "layer_clip", l) > 0);
      CHECK(code >= h);
      // A word each, the table (6 bits and 32 lengths of at most 5) and the range.
      CHECK(code < h + 1 + (6 + 32 * 5 + 32) / values);
      total += values * h;
      n += values;
      ++l;
    }
    CHECK(l > 1);
    CHECK(total / n == doctest::Approx(hard));
    CHECK(training->metric(r, "sparsity") > 0.1);
    CHECK(training->metric(r, "weight_entropy") < 8);
    CHECK(training->metric(r, "weight_huffman_bits") > training->metric(r, "weight_entropy"));
  }
}

// Killed in the middle of an epoch (12 steps), while clips are calibrated and layers switched on.
TEST_CASE("compression: a resumed run ends with the same bits") {
  const Given given{{"lambda", 0.2},
                    {"weight_lambda", 0.1},
                    {"calibration_batches", std::int64_t{3}},
                    {"switch_on_every", Length{8, Length::Unit::steps}}};
  Training whole(given);
  whole.run();
  for (const std::int64_t stop : {2, 9, 17}) {
    CAPTURE(stop);
    Training killed(given), resumed(given);
    killed.run(stop);
    killed.saved().load(resumed.state());
    resumed.run();
    CHECK(whole.saved().first_difference(resumed.saved()) == "");
  }
}

TEST_CASE("compression: evaluation changes nothing") {
  Training training({});
  training.run();
  training.check_evaluation_leaves_no_trace();
}

TEST_CASE("compression: layers are switched on one by one") {
  Training training({{"switch_on_every", Length{1, Length::Unit::epochs}}});
  const EvaluationRecord first = training.last_evaluation(1);
  CHECK(training.metric(first, "layers_on") == 1);
  CHECK(training.metric(first, "huffman_bits") > 5);  // the others count 32
  CHECK(std::isnan(training.metric(first, "layer_hard_entropy", 1)));
  CHECK(training.metric(training.last_evaluation(), "layers_on") == 3);
}

TEST_CASE("compression: deployed weights are the coded ones, and clips have no decay") {
  Training training({{"weight_bits", std::int64_t{3}}});
  training.run();
  int coded = 0;
  for (const Parameter& p : training.network->parameters()) {
    const auto codes = training.methods->coded(p);
    REQUIRE(codes.has_value() == (p.kind == ParameterKind::conv_weight));
    if (!codes) continue;
    ++coded;
    CHECK(training.deployed(p) == decoded(*codes));
    CHECK(codes->bits == 3);
    CHECK(codes->stored_bits() == 3.0 * static_cast<double>(p.value.numel()) + 64);
    for (std::int32_t code : codes->codes) CHECK((code >= 0 && code < 8));
  }
  CHECK(coded == 2);
  int clips = 0;
  for (const Optimized& o : training.methods->optimized())
    if (o.kind == "method") {
      ++clips;
      CHECK(o.rule.decay == 0);
    }
  CHECK(clips == 3);
}

TEST_CASE("compression: weights in training are the deployed ones, their gradient passes") {
  auto network = small_network();
  const Parameter& p = network->parameters()[0];
  cat::MinMaxWeight weight(p, 2);
  Tensor(p.value).copy_from(
      Tensor::from({-1, -.9f, 0, .4f, .5f, .6f, 1, 1.5f, 1.6f, 1.9f, 2, 2}, {3, 4}));
  OnTape on(weight, Tensor::full({3, 4}, 0.7f));
  CHECK(list(on.weight.value()) ==
        std::vector<float>{-1, -1, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2});  // 1.5 and 2.5 give code 2
  CHECK(list(on.latents[0].gradient()) == std::vector<float>(12, 0.7f));
  CHECK(weight.counts() == std::vector<std::int64_t>{2, 2, 4, 4});
  Tensor(p.value).fill(0.3f);
  Tensor out = Tensor::zeros({3, 4});
  weight.write_deployed(Deployment::hard, out);
  CHECK(list(out) == std::vector<float>(12, 0.3f));
}

TEST_CASE("compression: what makes no sense is refused") {
  const auto refused = [](const Given& given) {
    return refusal_of([&] {
      auto network = small_network();
      make_method("compression_aware_training", given)->attach(stage_of(*network));
    });
  };
  CHECK(refused({}) == "");
  CHECK(refused({{"clip", false}}).find("deployed_range: clip needs clips") != std::string::npos);
  CHECK(refused({{"clip", false}, {"deployed_range", std::string("batch")}}) == "");
  CHECK(refused({{"weight_bits", std::int64_t{12}}}).find("1 to 8, or 32") != std::string::npos);
  CHECK(refused({{"exclude_layers", std::vector<std::string>{"rulu*"}}}).find("'rulu*' matches") !=
        std::string::npos);
}
