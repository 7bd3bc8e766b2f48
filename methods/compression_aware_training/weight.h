#pragma once
// Weights of b bits between their least and greatest value, with a float master copy (Baskin et
// al., arXiv:1909.11481; the authors' code).

#include <cstdint>
#include <vector>

#include <bitwright/train/method.h>

namespace bitwright::cat {

/// w -> q (hi - lo) / (2^b - 1) + lo with q = round((w - lo) (2^b - 1) / (hi - lo)), lo and hi the
/// least and greatest weight of the tensor; dw = dy. Equal weights stay as they are.
class MinMaxWeight final : public WeightTransform {
 public:
  /// The parameter's own tensor is the master copy; bits 1 to 8.
  MinMaxWeight(const Parameter& parameter, int bits) : w_(parameter.value), bits_(bits) {}

  std::vector<Tensor> latents() override { return {w_}; }
  Variable effective(Forward& forward, std::span<const Variable> latents) override;
  /// Soft: the master copy.
  void write_deployed(Deployment deployment, Tensor& out) const override;
  double bits() const override { return bits_; }
  std::optional<Coded> coded() const override;

  /// How often each code occurs.
  std::vector<std::int64_t> counts() const;

 private:
  Tensor w_;
  int bits_;
};

}  // namespace bitwright::cat
