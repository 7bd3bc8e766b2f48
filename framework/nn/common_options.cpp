#include "nn/common_options.h"

#include <algorithm>
#include <cmath>

namespace bitwright {

Options& declare_affine(Options& options, bool fallback) {
  return options.boolean("affine", fallback,
                         "batch normalisation has a learnable scale and shift per channel");
}

Options& declare_width(Options& options) {
  return options
      .real("width", 1,
            "factor on the channels and features of every hidden layer, each rounded to the "
            "nearest whole number (halves up), at least 1")
      .above(0)
      .max(16);
}

Options& declare_initialization(Options& options, const std::string& fallback) {
  return options.choice("init", {"xavier", "kaiming"}, fallback,
                        "fresh weights: xavier is uniform with variance 2 / (fan_in + fan_out), "
                        "biases N(0, 0.1^2); kaiming is normal with variance 2 / fan_out for "
                        "convolutions, uniform up to 1 / sqrt(fan_in) for linear layers, biases 0");
}

Initialization initialization_of(const Settings& settings) {
  return settings.text("init") == "xavier" ? Initialization::xavier : Initialization::kaiming;
}

std::int64_t scaled(double width, std::int64_t channels) {
  return std::max<std::int64_t>(1, std::llround(width * static_cast<double>(channels)));
}

}  // namespace bitwright
