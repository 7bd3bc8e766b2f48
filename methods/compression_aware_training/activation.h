#pragma once
// Compressed activations of Compression-Aware Training (Baskin et al., arXiv:1909.11481): the
// output of a ReLU, clipped at a learned c, quantized uniformly, and pulled to low entropy.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <bitwright/autograd/variable.h>
#include <bitwright/core/state.h>
#include <bitwright/quant/entropy.h>

namespace bitwright::cat {

enum class Range {
  batch,  ///< lo, hi: least and greatest clipped value of the batch, as in the authors' code
  clip,   ///< lo = 0, hi = |c|
};
enum class Regularizer { none, entropy, l1_l2 };

struct Compression {
  int bits = 5;
  bool clips = true;  ///< a learned clip c
  Range range = Range::batch, deployed_range = Range::clip;
  Regularizer regularizer = Regularizer::entropy;
  double temperature = 10;
  bool detach_range = false;
  ValueSample sample;            ///< of each layer and step; name and step are the layer's
  std::int64_t calibration = 1;  ///< training batches whose statistics give c
  double deviations = 3;         ///< c = mean + deviations * std

  std::int64_t levels() const { return std::int64_t{1} << bits; }
  SoftBins bins() const { return {levels(), temperature, !detach_range}; }
};

/// What is known about one compressed tensor, shared by the training step and evaluations.
struct Activation {
  Activation(std::string layer, std::int64_t values, std::int64_t levels)
      : layer(std::move(layer)), values(values), counts(static_cast<std::size_t>(levels)) {}

  std::string layer;
  std::int64_t values = 0;           ///< n_l, of one image
  Tensor clip = Tensor::zeros({1});  ///< c
  Scalar on = 0;                     ///< 1: quantized and regularised
  Scalar step = 0;                   ///< of the sample

  std::int64_t observed = 0;       ///< batches in the statistics
  double mean = 0, deviation = 0;  ///< of the ReLU's output, running over batches

  // What evaluations saw since forget(): codes, and soft entropies of samples.
  std::vector<std::int64_t> counts;
  double soft_entropy = 0;
  std::int64_t soft_entropies = 0;

  void forget();
  void visit(StateVisitor& visitor);
};

/// Training: `a` and the clip's variable (undefined: no clip) -> quantized y, and the layer's
/// regulariser R (0 where the layer is not on). Until `calibration` batches were seen, y = a.
///   v = relu(a) - relu(a - |c|),  q = round((v - lo) s),  y = q / s + lo,  s = (2^b - 1) / (hi -
///   lo) da = dy [0 < a <= |c|],  dc = sign(c) sum of dy [a > |c|]      (round: identity)
struct Compressed {
  Variable y, regularizer;
};
Compressed compress(const Variable& a, const Variable& clip, std::shared_ptr<Activation> state,
                    const Compression& how);

/// Deployed: the same y in the deployed range. `counts` says whether codes and entropies are
/// collected. Before the first training batch there is no clip, and the range is the batch's.
Variable deploy(const Variable& a, const Variable& clip, std::shared_ptr<Activation> state,
                const Compression& how, bool counts);

}  // namespace bitwright::cat
