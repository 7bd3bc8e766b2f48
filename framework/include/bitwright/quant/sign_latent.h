#pragma once
// What methods share that keep one float per weight and deploy its sign.

#include <cstdint>
#include <string>

#include <bitwright/core/parallel.h>
#include <bitwright/core/state.h>
#include <bitwright/nn/network.h>
#include <bitwright/tensor/tensor.h>

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

/// One latent x per weight, in the parameter's shape and storage of its own.
class SignLatent {
 public:
  /// Fresh: drawn exactly as the weights of a float network (see initialize), 1-D tensors
  /// N(0, 0.1^2); else x starts from the parameter's value.
  SignLatent(const Parameter& parameter, bool fresh, std::uint64_t seed);

  const Tensor& tensor() const { return x_; }
  void write_signs(Tensor& out) const;
  /// x <- f(x) on every element.
  template <class F>
  void update(F f) {
    float* x = x_.f32();
    parallel_for(x_.numel(), 16384, [x, f](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) x[i] = f(x[i]);
    });
  }
  /// Adds to `total`, and remembers the signs for the next call's flips.
  void add_to(SignStatistics& total);
  void visit(StateVisitor& visitor);  ///< the remembered signs, under the parameter's name

 private:
  std::string name_;
  Tensor x_;
  Tensor last_;  // u8: 1 where x was positive
};

}  // namespace bitwright
