#pragma once
// Gradients between backward and the optimizer: averaged over the batches of an update, clipped.

#include <optional>
#include <string>
#include <vector>

#include <bitwright/optim/optimizer.h>

namespace bitwright {

/// How far gradients may go; at most one of the two, neither: as far as they like.
struct ClipOptions {
  /// All gradients together are scaled down to this L2 norm where theirs is larger (Pascanu,
  /// Mikolov, Bengio 2013, arXiv:1211.5063, algorithm 1).
  std::optional<double> norm;
  std::optional<double> value;  ///< each element is clamped to [-value, value]
};

class Gradients {
 public:
  Gradients() = default;
  Gradients(std::vector<Optimized> tensors, const ClipOptions& clip);

  /// Adds what the tape has left in the gradients to a sum. The first call allocates it.
  void keep();
  /// The gradients become the mean over what was kept and what they hold now, which leaves nothing
  /// kept.
  void average();
  std::int64_t kept() const { return kept_; }  ///< calls of keep() since the last average

  /// Clips all tensors that are not frozen. Returns their L2 norm before, where the clip needs it.
  /// A norm that is not finite clips nothing.
  std::optional<double> clip();
  void freeze(const std::string& name);

 private:
  struct Slot {
    Optimized tensor;
    Tensor sum;
    bool frozen = false;
  };
  double norm() const;

  ClipOptions clip_;
  std::vector<Slot> slots_;
  std::int64_t kept_ = 0;
};

}  // namespace bitwright
