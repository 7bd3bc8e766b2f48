#pragma once

#include <cstdint>
#include <functional>

#include <bitwright/data/loader.h>
#include <bitwright/nn/network.h>

#include "train/method_stack.h"

namespace bitwright {

/// Measures the running statistics of all batch normalisations anew: they become the mean of the
/// statistics of the first `batches` training batches, seen by the deployed (hard) network. Weights
/// and methods stay as they are; the loader is left behind the last batch.
void reestimate_batch_norm(Network& network, MethodStack& methods, BatchLoader& loader,
                           std::int64_t batches, DType precision);

/// The same with any pass: `run` lets one training batch through the network with
/// BatchStatistics::of_the_batch.
void average_batch_statistics(Network& network, std::int64_t batches,
                              const std::function<void()>& run);

}  // namespace bitwright
