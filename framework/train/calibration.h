#pragma once

#include <cstdint>
#include <vector>

#include <bitwright/data/loader.h>
#include <bitwright/train/calibration.h>

#include "train/method_stack.h"

namespace bitwright {

/// The images that a seed draws for calibration: `count` of `training`, or all of them, without
/// repetition.
std::vector<std::uint32_t> calibration_images(const std::vector<std::uint32_t>& training,
                                              std::int64_t count, std::uint64_t seed);

/// Those of the methods that observe activations.
std::vector<ActivationObserver*> activation_observers(const MethodStack& methods);

/// Runs the deployed (hard) network with its running statistics on all images of the loader, in its
/// order, and shows the observers what they ask for, each layer's output as the methods leave it.
/// Nothing is changed but the observers.
void calibrate(Network& network, MethodStack& methods, EvaluationLoader& loader, DType precision,
               const std::vector<ActivationObserver*>& observers);

}  // namespace bitwright
