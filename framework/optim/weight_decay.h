#pragma once
// Weight decay as options, and which tensors it leaves alone.

#include <string>
#include <vector>

#include <bitwright/core/options.h>
#include <bitwright/optim/optimizer.h>

namespace bitwright {

class WeightDecay {
 public:
  explicit WeightDecay(const Settings& settings);

  /// The rate for one tensor, 0 where it is excluded.
  double of(const Optimized& tensor) const;
  /// Refuses (config_error at the option's place) an excluding pattern that fits none of the
  /// tensors, because it is a typing error; names of kinds may fit none.
  void check(const std::vector<Optimized>& tensors) const;

  /// Declares `weight_decay`, with this doc, and `weight_decay_exclude`.
  static void declare(Options& options, double fallback, const std::string& doc);

 private:
  double rate_;
  std::vector<std::string> excluded_;
  Place where_;
};

}  // namespace bitwright
