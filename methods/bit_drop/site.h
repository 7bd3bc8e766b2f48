#pragma once
// One quantizer of a network, of a layer's weights or of its inputs, and its op on the tape.

#include <cstdint>
#include <memory>
#include <string>

#include <bitwright/autograd/variable.h>
#include <bitwright/core/error.h>

#include "gates.h"
#include "quantizer.h"

namespace bitwright::bit_drop {

inline constexpr float kSmallestStep = 1e-6f;  ///< alpha > 0

/// Bounds that hold after every update.
struct Bounds {
  double sigma_ratio = 0.05;  ///< sigma >= this times alpha
  double sigma_start = 1.0 / 3;
};

/// Tensors that training updates, and what a pass over them needs.
struct Site {
  std::string name;  ///< "conv1.weight", "conv1.input"; its random numbers are drawn under it
  GridQuantizer quantizer;
  Bounds bounds;
  HardConcrete law;
  Place where;  ///< of the option that asked for it
  std::uint64_t seed = 0;
  Scalar step = 0;  ///< of the stage; shared by all sites of a method

  Tensor alpha, sigma;           ///< f32 [1]
  Tensor ln_a;                   ///< f32 [b - 1], gates of levels 2 .. b; undefined: none
  std::int64_t initialized = 0;  ///< 0: alpha waits for the first batch
  std::int64_t outside = 0;      ///< values beyond the cells of the grid in the last training pass
  std::int64_t values = 0;       ///< and how many values that pass had

  Site(std::string name, const GridQuantizer& quantizer);
  /// alpha, and sigma in its initial proportion.
  void start(double step_size);
  /// alpha > 0, sigma >= sigma_ratio alpha, ln a in [ln 0.01, ln 100].
  void constrain();
  /// alpha = max(x) / (2^b - 1). Refuses negative x (configuration error), for which an activation
  /// grid has no points.
  void start_from(const Tensor& x);
};

/// The op's inputs beside x; ln_a is undefined where there are no gates.
struct SiteVariables {
  Variable alpha, sigma, ln_a;
};

/// xhat in the shape and type (f32, bf16) of x. Training: the estimator's forward and backward maps
/// with the gates and the noise of the site's step; the first pass of an activation site sets
/// alpha. Deployed: round and clip.
Variable quantized(const std::shared_ptr<Site>& site, const Variable& x,
                   const SiteVariables& variables, bool deployed);

}  // namespace bitwright::bit_drop
