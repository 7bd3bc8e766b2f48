#pragma once
// The two forms in which BSQ keeps a weight: bit planes while it looks for widths, a float with a
// frozen width while it fine-tunes.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <bitwright/core/state.h>
#include <bitwright/train/method.h>

#include "planes.h"

namespace bitwright::bsq {

/// What metrics, sizes and later stages want to know of a quantized tensor.
struct TensorReport {
  Precision precision;              ///< as deployed
  int trained_bits = 0;             ///< planes in training
  double nonzero_bits = 0;          ///< share of ones in the binary forms of all magnitudes
  double lasso = 0;                 ///< B(W), without any factor
  std::vector<double> plane_norms;  ///< ||[P_b; M_b]||, least significant first
};

/// One quantized tensor, whichever form it has.
class QuantizedWeight : public WeightTransform {
 public:
  explicit QuantizedWeight(const Parameter& parameter)
      : name_(parameter.name), elements_(parameter.value.numel()) {}

  const std::string& name() const { return name_; }
  std::int64_t elements() const { return elements_; }

  virtual TensorReport report() const = 0;
  virtual void after_update() = 0;
  /// 3.6; true when the latents were rewritten.
  virtual bool adjust() { return false; }
  /// What latents() does not say.
  virtual void visit(StateVisitor& visitor) = 0;
  /// B(W) of the traced step times the factor that holds at each replay; undefined: no lasso.
  virtual Variable lasso() const { return {}; }

  double bits() const override { return report().precision.bits; }

 private:
  std::string name_;
  std::int64_t elements_;
};

/// How bit planes are trained.
struct PlaneOptions {
  int initial_bits = 8, most_bits = 8;
  double scale_rate = 1;  ///< learning rate of s, as a factor
};

/// alpha N_l n_l / N_tot of 3.4 for n_l = 1. N_tot is known once every tensor has been chosen.
struct LassoStrength {
  double alpha = 0;
  bool reweigh = true;
  std::int64_t all_elements = 0;  ///< N_tot
  double of(std::int64_t elements, int bits) const;
};

/// Bit planes and a scale (3.2 to 3.6). Soft: the weight of a training step; hard: what a
/// re-quantization would make of the planes now.
std::unique_ptr<QuantizedWeight> make_plane_weight(const Parameter& parameter,
                                                   const PlaneOptions& options,
                                                   std::shared_ptr<const LassoStrength> strength);

/// A float x in [-1, 1] of frozen width with a trained scale (3.7), converted (3.2) from the
/// parameter's value. A scale of 0 stands for max |W|.
std::unique_ptr<QuantizedWeight> make_frozen_weight(const Parameter& parameter, Precision precision,
                                                    double scale_rate);

/// B(W) from sums of squares (3.4).
double lasso_of(std::span<const double> squares);
/// sqrt(1e-8 + squares): the norm of one plane.
double plane_norm(double squares);

}  // namespace bitwright::bsq
