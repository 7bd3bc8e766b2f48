#pragma once
// How long training steps wait for their batches.

#include <cstdint>
#include <string>
#include <vector>

#include <bitwright/core/registry.h>

namespace bitwright::bench {

/// Steps of one network, each on a batch of its own that comes through the loader.
struct FedStep {
  std::string net;
  std::int64_t steps = 0;
  double step_ms = 0;  ///< mean, fetching the batch included
  double waiting = 0;  ///< share of it until the batch is there, from 0 to 1
};

/// LeNet-300, LeNet-5 and ResNet-20 in f32 on images of noise as MNIST's and CIFAR's are prepared
/// (CIFAR's with the usual crop and flip), by one loader thread beside `threads` that compute.
/// `steps` to time; 0: for about two seconds. Sets the process's threads.
std::vector<FedStep> measure_fed_steps(const Registries& registries, int threads,
                                       std::int64_t steps);

}  // namespace bitwright::bench
