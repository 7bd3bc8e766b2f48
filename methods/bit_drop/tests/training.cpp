// Every arm in the real training loop, on a few hundred embedded digits.
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "glyph_training.h"

using namespace bitwright;
using bitwright::testing::GlyphOptions;
using bitwright::testing::GlyphTraining;
using test::Given;

namespace {

using Text = std::string;

// A fifth of a network on 1,750 digits, for a little over two epochs.
struct Training : GlyphTraining {
  explicit Training(const Given& given, const Text& net = "lenet300", DType precision = DType::f32)
      : GlyphTraining(options(given, net, precision)) {}
  static GlyphOptions options(const Given& given, const Text& net, DType precision) {
    GlyphOptions o;
    o.methods = {{"bit_drop", given}};
    o.network = net;
    o.network_settings = {{"width", 0.2}};
    o.images = 2000, o.held_out = 250;
    o.evaluation_batch = 250;
    o.trainer = {.steps = 80, .evaluate_every = 20, .precision = precision};
    return o;
  }
};

const std::vector<Given> kArms{
    {{"estimator", Text("ste")}, {"drop_bits", Text("none")}},
    {{"estimator", Text("rq")}, {"drop_bits", Text("none")}, {"weight_bits", std::int64_t{2}}},
    {{"estimator", Text("rq_st")},
     {"drop_bits", Text("none")},
     {"activation_bits", std::int64_t{5}}},
    {{"drop_bits", Text("none")}},
    {{"drop_bits", Text("none")}, {"truncate", false}},
    {{"drop_bits", Text("fixed")}, {"keep_prob", 0.9}},
    {{"drop_bits", Text("learned")}, {"weight_bits", std::int64_t{4}}},
    {{"drop_bits", Text("heterogeneous")}, {"weight_bits", std::int64_t{4}}, {"penalty", 0.01}},
};

}  // namespace

TEST_CASE("every arm learns, deploys grid points that its codes decode to, and leaves no trace") {
  for (std::size_t arm = 0; arm < kArms.size(); ++arm) {
    CAPTURE(arm);
    Training training(kArms[arm]);
    training.run();
    // Sampling is noise for weights that have hardly learned; chance is 0.1.
    const bool sampled = arm == 1 || arm == 2;
    CHECK(training.trainer->selected_accuracy() > (sampled ? 0.2 : 0.5));
    CHECK(training.outside_labels() ==
          std::pair<std::int64_t, std::int64_t>{0, 784 * 60 + 60 * 20 + 20 * 10});
    for (const Parameter& p : training.network->parameters())
      if (!training.methods->label_set(p).empty())
        CHECK(test::decoded(training.methods->coded(p).value()) == training.deployed(p));
    training.check_evaluation_leaves_no_trace();
  }
}

TEST_CASE("a run that is saved and continued has the bits of one that was not, for every arm") {
  for (std::size_t arm = 0; arm < kArms.size(); ++arm) {
    CAPTURE(arm);
    Training whole(kArms[arm]);
    whole.run(50);
    Training first(kArms[arm]);
    first.run(29);  // in the middle of an epoch of 35
    Training second(kArms[arm]);
    first.saved().load(second.state());
    second.run(50);
    CHECK(second.saved().first_difference(whole.saved()) == "");
    CHECK(second.methods->measure() == whole.methods->measure());
  }
}

TEST_CASE("alpha and sigma move, sigma stays above its floor, and weights gather at the points") {
  Training training({{"drop_bits", Text("none")}, {"weight_bits", std::int64_t{2}}});
  training.run(1);
  const auto start = training.methods->measure();
  training.run();
  const auto end = training.methods->measure();
  // average, then bits, alpha, ratio, cohesion, clipped of three layers; then two layers' inputs.
  REQUIRE(end.size() == 1 + 5 * 3 + 3 * 2);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(end[4 + i] != start[4 + i]);
    CHECK(end[7 + i] >= 0.05 * (1 - 1e-6));
    CHECK(end[7 + i] != start[7 + i]);
    CHECK(end[10 + i] > 0);
    CHECK(end[10 + i] < 0.5);
  }
  for (std::size_t i = 0; i < 2; ++i) CHECK(end[16 + i] != start[16 + i]);
}

TEST_CASE("a large penalty closes gates, and the deployed grid shrinks with them") {
  const auto bits = [](double penalty) {
    Training training({{"drop_bits", Text("heterogeneous")},
                       {"weight_bits", std::int64_t{4}},
                       {"gate_init", -1.5},
                       {"penalty", penalty}});
    training.run();
    return training.methods->measure()[0];
  };
  CHECK(bits(0) == 4);
  CHECK(bits(30) < 3);
}

TEST_CASE("bf16 activations and a convolutional network") {
  Training training({{"weight_bits", std::int64_t{4}}, {"activation_bits", std::int64_t{4}}},
                    "lenet5", DType::bf16);
  training.run();
  const auto values = training.methods->measure();
  for (double value : values) CHECK(std::isfinite(value));
  CHECK(training.trainer->selected_accuracy() > 0.2);
}
