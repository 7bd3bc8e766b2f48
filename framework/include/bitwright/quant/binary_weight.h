#pragma once
// What methods share that keep one float per weight and deploy its sign.

#include <cstdint>

#include <bitwright/train/method.h>

namespace bitwright {

/// Sign as a label: 1 for x > 0, else -1; never 0.
inline float binary_sign(float x) { return x > 0.0f ? 1.0f : -1.0f; }

/// What is logged about one parameter, summed over its elements.
struct SignStatistics {
  std::int64_t elements = 0;
  std::int64_t positive = 0;
  std::int64_t flips = 0;  ///< signs that differ from the last call's
  double distance = 0;     ///< sum of | |x| - 1 |
};

/// One latent x per weight, in the parameter's shape; hard deployment is sign(x), 1 bit.
/// Fresh weights are drawn exactly as those of a float network (see initialize); else x starts
/// from the parameter's value.
class BinaryWeight : public WeightTransform {
 public:
  BinaryWeight(const Parameter& parameter, const StageInfo& stage);

  std::vector<Tensor> latents() override { return {x_}; }
  /// Writes sign(x), also for soft; override where training sees something else.
  void write_deployed(Deployment deployment, Tensor& out) const override;
  double bits() const override { return 1; }
  std::vector<float> label_set() const override { return {-1.0f, 1.0f}; }

  const std::string& parameter_name() const { return name_; }
  Tensor& latent() { return x_; }
  /// x <- f(x) on every element.
  template <class F>
  void update(F f) {
    for (float& x : x_.values()) x = f(x);
  }
  /// Adds to `total`, and remembers the signs for the next call's flips.
  void add_to(SignStatistics& total);
  void visit(StateVisitor& visitor);  ///< the remembered signs

 protected:
  const Tensor& latent() const { return x_; }

 private:
  std::string name_;
  Tensor x_;
  Tensor last_;  // u8: 1 where x was positive
};

}  // namespace bitwright
