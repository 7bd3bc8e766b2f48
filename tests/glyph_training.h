#pragma once
// Short trainings on some hundred of the embedded digits: enough for a method to learn something.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "trainer_fixture.h"

namespace bitwright::testing {

/// A stage with Adam at a constant learning rate, and what it is about.
struct GlyphOptions : StageOptions {
  GlyphOptions() {
    optimizer = "adam";
    settings = {{"learning_rate", 0.003}};
    schedule = "constant";
    batch = 50;
    evaluation_batch = 100;
  }

  std::string network = "lenet300";
  test::Given network_settings;
  std::string style = "grey";                  ///< of the digits
  std::int64_t images = 1000, held_out = 300;  ///< of all images, those that validate
};

struct GlyphTraining : TrainingStage {
  explicit GlyphTraining(const GlyphOptions& options) : GlyphTraining(options, glyphs(options)) {}

  /// How many weights are not among the labels that their method declares, and how many weights
  /// have labels.
  std::pair<std::int64_t, std::int64_t> outside_labels() const {
    std::int64_t wrong = 0, quantized = 0;
    for (const Parameter& p : network->parameters()) {
      const std::vector<float> labels = methods->label_set(p);
      if (labels.empty()) continue;
      for (const float x : deployed(p)) wrong += std::ranges::count(labels, x) != 1;
      quantized += p.value.numel();
    }
    return {wrong, quantized};
  }

 private:
  GlyphTraining(const GlyphOptions& options, const ImageSet& set)
      : TrainingStage(
            set, options.held_out,
            test::make_network(options.network, {set.channels, set.height, set.width, set.classes},
                               options.network_settings),
            options) {}

  static ImageSet glyphs(const GlyphOptions& options) {
    const test::Given given{{"train_images", options.images},
                            {"test_images", std::int64_t{10}},
                            {"style", options.style}};
    return test::make_component(test::builtin_registries().datasets, "glyphs", given, {})->train();
  }
};

}  // namespace bitwright::testing
