#pragma once
// A quantizer on whole tensors: the forward map of each estimator and its gradients.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include <bitwright/core/rng.h>

#include "grid.h"

namespace bitwright::bit_drop {

/// How xhat is made of the cell masses pi, and what stands for its derivative.
///   cpq    the mode of pi; pi is differentiated as Backward says (multi-class straight-through)
///   rq     sum z_i g_i, z = softmax((ln pi + gumbel) / lambda_T): Relaxed Quantization, exact
///          gradient (Louizos et al., arXiv:1810.01875)
///   rq_st  forward the one-hot sample of the same z, backward through z
///   ste    alpha clip(round(x / alpha)); dx where x is in a cell of the grid, dalpha of a rounding
///          that passes gradients on: G - x / alpha there, G outside
enum class Estimator { cpq, rq, rq_st, ste };
/// dL/dpi_i = dL/dxhat g_i of all points, or of the mode alone.
enum class Backward { all_classes, mode_only };

struct GridQuantizer {
  Grid grid;
  Estimator estimator = Estimator::cpq;
  Backward backward = Backward::all_classes;
  bool truncate = true;    ///< pi is normalised over the grid
  double temperature = 1;  ///< lambda_T of rq and rq_st
};

/// alpha, sigma, and the masks of one pass.
struct Scales {
  float alpha = 1;
  float sigma = 1.0f / 3;
  Masks masks = {};
};

/// xhat = alpha clip(G of the nearest point): what is deployed, and the forward map where all
/// masks are 0 or 1. A value between two points takes the lower one. Returns how many values lie
/// outside the cells of the grid. T: float or bfloat16.
template <class T>
std::int64_t round_and_clip(const Grid& grid, float alpha, std::int64_t n, const T* x, T* y);

/// The forward map of a training step. `noise` is read by rq and rq_st only: element i takes its
/// own numbers of the stream. Returns how many values lie outside the cells of the living grid.
template <class T>
std::int64_t quantize(const GridQuantizer& quantizer, const Scales& scales, const Rng& noise,
                      std::int64_t n, const T* x, T* y);

/// What gradients are summed into.
struct Gradients {
  double alpha = 0, sigma = 0;
  std::array<double, kMostBits> level = {};  ///< dL/dm, element k - 1 for level k; cpq only

  static constexpr std::size_t kCount = 2 + kMostBits;
};

/// Partial sums of a pass over n values; kept by the caller, so that a step allocates nothing.
std::vector<double> partial_sums(std::int64_t n);

/// dL/dx and the sums over all values, in an order that only n decides.
template <class T>
Gradients pull_back(const GridQuantizer& quantizer, const Scales& scales, const Rng& noise,
                    std::int64_t n, const T* x, const T* dy, T* dx, std::span<double> partial);

/// What is logged about a quantized tensor.
struct Statistics {
  double cohesion = 0;  ///< mean |clip(x) - xhat| / alpha, x clipped to the ends of the grid
  double clipped = 0;   ///< fraction of values outside the cells of the grid
};
Statistics statistics(const Grid& grid, float alpha, std::span<const float> x);

}  // namespace bitwright::bit_drop
