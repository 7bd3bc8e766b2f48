// A short real training of a residual network: the term pulls every tensor to the shape it asks
// for, and without it the tensors stay as they were.
#include <cmath>
#include <vector>

#include <doctest/doctest.h>

#include "glyph_training.h"

using namespace bitwright;
using bitwright::testing::GlyphOptions;
using bitwright::testing::GlyphTraining;
using bitwright::testing::Recorder;

namespace {

Recorder train(double lambda) {
  GlyphOptions o;
  o.methods = {{"robust_quantization", {{"lambda", lambda}}}};
  o.network = "resnet8";
  o.network_settings = {{"width", 0.5}};
  o.style = "color";
  o.images = 600, o.held_out = 100;
  o.batch = 25, o.evaluation_batch = 50;
  o.optimizer = "sgd";
  o.settings = {{"learning_rate", 0.05}, {"momentum", 0.9}};
  o.trainer = {.steps = 120, .evaluate_every = 60};
  return GlyphTraining(o).run();
}

}  // namespace

TEST_CASE("in a short training every layer's kurtosis reaches 1.8, and without the term none") {
  const Recorder training = train(1);
  // kurtosis_loss, then the kurtosis of each layer.
  const std::vector<double> pulled = training.evaluations.back().metrics;
  const std::vector<double> plain = train(0).evaluations.back().metrics;
  REQUIRE(pulled.size() == 7);  // six convolutions behind the first
  double mean = 0;
  for (std::size_t l = 1; l < pulled.size(); ++l) {
    CAPTURE(l);
    CHECK(std::abs(pulled[l] - 1.8) < 0.2);
    mean += plain[l] / 6;
  }
  CHECK(mean > 2.5);
  CHECK(pulled[0] < 0.04);
  CHECK(std::isfinite(training.steps.back().train_loss));
}
