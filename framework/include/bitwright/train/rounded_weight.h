#pragma once
// The commonest transform of a weight: one float per weight, rounded anew in every step.

#include <functional>

#include <bitwright/train/method.h>

namespace bitwright {

/// Trains a float master w, which starts as the parameter; the layer sees round(w). Deployed, soft
/// and hard: what code(w) decodes to, which are the values of round(w). The next stage starts from
/// w.
class RoundedWeight : public WeightTransform {
 public:
  using Round = std::function<Variable(const Variable& w)>;
  using Code = std::function<Coded(const Tensor& w)>;

  RoundedWeight(const Parameter& parameter, int bits, Round round, Code code);

  std::vector<Tensor> latents() override { return {master_}; }
  Variable effective(Forward&, std::span<const Variable> latents) override {
    return round_(latents[0]);
  }
  void write_deployed(Deployment deployment, Tensor& out) const override;
  void hand_over(Tensor& out) const override { out.copy_from(master_); }
  double bits() const override { return bits_; }
  std::optional<Coded> coded() const override { return code_(master_); }

  const Tensor& master() const { return master_; }

 private:
  Tensor master_;
  int bits_;
  Round round_;
  Code code_;
};

}  // namespace bitwright
