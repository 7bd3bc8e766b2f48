#pragma once
// What a method does to given numbers, asked through its public interface alone.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <bitwright/train/method.h>

namespace bitwright {

struct Probed {
  /// What the optimizer would update.
  struct Trained {
    std::string name;  ///< "probe.weight:0", "lsq.probe.step"
    std::vector<float> value, gradient;
  };
  std::vector<float> values;    ///< what the layer sees in a training step
  std::vector<float> deployed;  ///< what it sees in evaluation
  std::optional<Coded> coded;   ///< of a weight
  std::vector<float> gradient;  ///< of the numbers; empty where something else is trained instead
  std::vector<Trained> trained;
};

/// The numbers as the weight [1, K, 1, 1] of a convolution called "probe", which is neither the
/// first nor the last layer; `gradient` is that of the weight which the layer sees, one number per
/// value. Throws a configuration error where the method leaves the weight as it is.
Probed probe_weight(std::unique_ptr<Method> method, std::span<const float> values,
                    std::span<const float> gradient);

/// The numbers as an image [1, K, 1, 1] that comes out of a ReLU and goes into that convolution.
Probed probe_activation(std::unique_ptr<Method> method, std::span<const float> values,
                        std::span<const float> gradient);

}  // namespace bitwright
