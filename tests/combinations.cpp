// Methods that act together, and those that cannot.
#include <string>

#include <doctest/doctest.h>

#include <bitwright/core/error.h>

#include "glyph_training.h"

namespace bitwright {
namespace {

using testing::GlyphOptions;
using testing::GlyphTraining;
using testing::MethodChoice;
using testing::TrainingStage;

GlyphOptions together(MethodChoice methods) {
  GlyphOptions o;
  o.network = "lenet5";
  o.methods = std::move(methods);
  o.trainer = {.steps = 30, .evaluate_every = 10};
  return o;
}

// It learns, evaluation changes nothing, and a training that was interrupted ends with the bits of
// one that was not.
void check_training(const GlyphOptions& options) {
  GlyphTraining whole(options);
  whole.run();
  CHECK(whole.validation->run(Deployment::hard).accuracy > 0.4);
  whole.check_evaluation_leaves_no_trace();

  GlyphTraining begun(options);
  begun.run(13);
  const MemoryState saved = begun.saved();
  GlyphTraining resumed(options);
  saved.load(resumed.state());
  resumed.run();
  CHECK(resumed.saved().first_difference(whole.saved()) == "");
}

std::string refusal(const MethodChoice& methods) {
  try {
    GlyphTraining(together(methods)).run(1);
  } catch (const Error& error) {
    CHECK(error.status() == ExitStatus::config);
    return error.what();
  }
  return "";
}

bool says(const std::string& message, const std::string& what) {
  CAPTURE(message);
  return message.find(what) != std::string::npos;
}

const test::Given kFloatWeights{{"weight_bits", std::int64_t{32}}};

}  // namespace

TEST_CASE("kurtosis of weights that LSQ quantizes") {
  const GlyphOptions options =
      together({{"robust_quantization", {}}, {"lsq", {{"weight_bits", std::int64_t{3}}}}});
  check_training(options);
  // The pull acts on the float weights under the quantizer, so that their kurtosis falls.
  GlyphTraining with(options), without(together({options.methods[1]}));
  with.run();
  without.run();
  const auto fc1 = [](GlyphTraining& t) {
    for (const Optimized& o : t.methods->optimized())
      if (o.parameter == "fc1.weight") return o.value.values();
    return std::span<const float>{};
  };
  const auto kurtosis = [](std::span<const float> w) {
    double mean = 0, second = 0, fourth = 0;
    for (const float x : w) mean += double(x) / double(w.size());
    for (const float x : w) {
      const double d = (double(x) - mean) * (double(x) - mean);
      second += d / double(w.size()), fourth += d * d / double(w.size());
    }
    return fourth / (second * second);
  };
  CHECK(std::abs(kurtosis(fc1(with)) - 1.8) < std::abs(kurtosis(fc1(without)) - 1.8));
}

TEST_CASE("CAT's activations over weights that DoReFa quantizes") {
  check_training(together(
      {{"compression_aware_training", kFloatWeights},
       {"dorefa", {{"weight_bits", std::int64_t{3}}, {"activation_bits", std::int64_t{32}}}}}));
}

TEST_CASE("binary weights of PMF behind PACT's activations") {
  GlyphOptions options = together(
      {{"proximal_mean_field",
        {{"jacobian", std::string("eye")},
         {"beta_rate", 1.05},
         {"beta_interval", std::int64_t{1}}}},
       {"pact", {{"weight_bits", std::int64_t{32}}, {"activation_bits", std::int64_t{4}}}}});
  options.trainer.steps = 100;
  check_training(options);
}

TEST_CASE("activations that two methods quantize are refused, on either side of a layer") {
  const test::Given inputs{{"weight_bits", std::int64_t{32}}, {"activation_bits", std::int64_t{3}}};
  CHECK(says(refusal({{"lsq", inputs}, {"pact", inputs}}),
             "methods 'lsq' and 'pact' both quantize the input of layer 'conv2'"));
  CHECK(says(refusal({{"compression_aware_training", {}}, {"lsq", inputs}}),
             "methods 'compression_aware_training' and 'lsq' both quantize activations (the output "
             "of layer 'relu1', the input of layer 'conv2')"));
  CHECK(says(refusal({{"lsq", inputs}, {"lsq", inputs}}), "'lsq' stands in the list twice"));
}

}  // namespace bitwright
