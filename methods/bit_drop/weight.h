#pragma once
// The weights of one layer on their grid.

#include <memory>
#include <optional>
#include <vector>

#include <bitwright/train/method.h>

#include "site.h"

namespace bitwright::bit_drop {

/// DropBits: how the gates of a weight grid come about.
///   none           the grid is whole in every step
///   fixed          P(z != 0) is given
///   learned        ln a is trained, the deployed grid is whole
///   heterogeneous  ln a is trained under a penalty, and decides the bits of the layer
enum class DropBits { none, fixed, learned, heterogeneous };

/// Factors of the optimizer's rate; none of these tensors decays.
struct Rates {
  double scales = 0.1;  ///< of alpha and sigma
  double gates = 10;    ///< of ln a
};

/// Latents: the float weight W, alpha, sigma, and ln a where that is trained.
class GridWeight final : public WeightTransform {
 public:
  /// alpha = 3 std(W) / 2^(b-1). `ln_a` is the initial value of all gates.
  GridWeight(const Parameter& parameter, std::shared_ptr<Site> site, DropBits drop, double ln_a,
             const Rates& rates);

  std::vector<Tensor> latents() override;
  UpdateRule rule(std::size_t i) const override;
  std::optional<float> collapsed_at(std::size_t i) const override;
  Variable effective(Forward& forward, std::span<const Variable> latents) override;
  /// Soft: W. Hard: W on the exported grid.
  void write_deployed(Deployment deployment, Tensor& out) const override;
  double bits() const override { return exported().bits; }
  std::vector<float> label_set() const override;
  std::optional<Coded> coded() const override;

  Site& site() { return *site_; }
  std::int64_t numel() const { return w_.numel(); }
  Grid exported() const;
  Statistics statistics() const;
  /// ln a on the tape that was traced last; undefined where it is not trained.
  const Variable& gates() const { return gates_; }

 private:
  bool trains_gates() const {
    return drop_ == DropBits::learned || drop_ == DropBits::heterogeneous;
  }

  std::shared_ptr<Site> site_;
  DropBits drop_;
  Rates rates_;
  Tensor w_;
  Variable gates_;
};

}  // namespace bitwright::bit_drop
