// The three methods in the real training loop, on a few hundred embedded digits.
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

// LeNet-300 on 2,000 digits, for eight epochs.
struct Training : GlyphTraining {
  Training(const std::string& method, const Given& given) : GlyphTraining(options(method, given)) {
    run();
  }
  static GlyphOptions options(const std::string& method, const Given& given) {
    GlyphOptions o;
    o.methods = {{method, given}};
    o.images = 2500, o.held_out = 500;
    o.batch = 100, o.evaluation_batch = 250;
    o.trainer = {.steps = 160, .evaluate_every = 20};
    return o;
  }
};

void check_training(const std::string& method, const Given& given, std::int64_t quantized,
                    double accuracy) {
  CAPTURE(method);
  Training training(method, given);
  CHECK(training.outside_labels() == std::pair<std::int64_t, std::int64_t>{0, quantized});
  CHECK(training.trainer->selected_accuracy() > accuracy);
  training.check_evaluation_leaves_no_trace();  // latents, statistics, moments, beta: untouched
}

}  // namespace

TEST_CASE("trained weights are labels, evaluation changes nothing, and something is learned") {
  for (const char* jacobian : {"exact", "eye_double"})
    check_training("proximal_mean_field",
                   {{"jacobian", jacobian}, {"beta_rate", 1.2}, {"beta_interval", std::int64_t{2}}},
                   266610, 0.4);
  check_training("proximal_mean_field",
                 {{"projection", "sparsemax"},
                  {"jacobian", "exact"},
                  {"beta_rate", 1.1},
                  {"beta_interval", std::int64_t{2}},
                  {"labels", std::vector<double>{-1, 0, 1}}},
                 266610, 0.4);
  check_training("proximal_mean_field", {{"projection", "hardmax"}, {"jacobian", "ste"}}, 266610,
                 0.4);
  check_training("proximal_mean_field",
                 {{"projection", "tanh"},
                  {"jacobian", "ste"},
                  {"beta_rate", 1.2},
                  {"beta_interval", std::int64_t{2}}},
                 266610, 0.4);
  check_training("binary_connect", {}, 266610, 0.4);
  check_training("prox_quant", {{"reg_rate", 0.1}, {"freeze_epoch", std::int64_t{6}}}, 266610 - 410,
                 0.3);
}

TEST_CASE("once beta is large the soft network is the hard one") {
  Training training("proximal_mean_field", {{"jacobian", "exact"},
                                            {"beta_rate", 2.0},
                                            {"beta_interval", std::int64_t{5}},
                                            {"beta_cap", 1e8}});
  const Evaluation soft = training.validation->run(Deployment::soft);
  const Evaluation hard = training.validation->run(Deployment::hard);
  CHECK(std::abs(soft.accuracy - hard.accuracy) < 0.01);
}
