#pragma once
// Exponential moving average of the weights that the optimizer updates (Polyak and Juditsky 1992;
// with a decay as in TensorFlow's ExponentialMovingAverage and in most image classifiers since). It
// begins as the weights after the first update, as PyTorch's AveragedModel does.

#include <cstdint>
#include <string>
#include <vector>

#include <bitwright/core/state.h>
#include <bitwright/optim/optimizer.h>

namespace bitwright {

struct AverageOptions {
  double decay = 0;  ///< share of the old average that stays in an update; 0: no average is kept
  bool warm_up = false;  ///< update t, from 1, uses min(decay, (1 + t) / (10 + t))
};

class WeightAverage {
 public:
  WeightAverage() = default;
  /// Averages of the tensors' values. None for decay 0.
  WeightAverage(const std::vector<Optimized>& tensors, const AverageOptions& options);

  bool kept() const { return options_.decay > 0; }
  /// average <- decay * average + (1 - decay) * value, once per update of the weights, numbered
  /// from 0; the first one makes the average the value.
  void update();
  /// A tensor that no longer changes is its own average.
  void freeze(const std::string& name);
  /// The average takes the value, which was rewritten.
  void restart(const std::string& name);
  /// Exchanges weights and averages, bit for bit.
  void swap();
  void visit(StateVisitor& visitor);

 private:
  struct Slot {
    std::string name;
    Tensor value, average;
  };
  AverageOptions options_;
  std::vector<Slot> slots_;
  std::int64_t updates_ = 0;
};

/// While it lives, the network's weights are their averages, where there are any.
class AveragedScope {
 public:
  explicit AveragedScope(WeightAverage& average) : average_(average) { average_.swap(); }
  ~AveragedScope() { average_.swap(); }
  AveragedScope(const AveragedScope&) = delete;
  AveragedScope& operator=(const AveragedScope&) = delete;

 private:
  WeightAverage& average_;
};

}  // namespace bitwright
