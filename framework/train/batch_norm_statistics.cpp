#include "train/batch_norm_statistics.h"

#include <vector>

#include "kernels/gradients.h"
#include "train/evaluation_step.h"

namespace bitwright {

void reestimate_batch_norm(Network& network, MethodStack& methods, BatchLoader& loader,
                           std::int64_t batches, DType precision) {
  EvaluationStep step(network, methods, loader.shape(), precision, BatchStatistics::of_the_batch);
  step.deploy(Deployment::hard);
  loader.seek(0);
  average_batch_statistics(network, batches, [&] {
    loader.next(step.batch());
    step.run(loader.shape().n);
  });
}

void average_batch_statistics(Network& network, std::int64_t batches,
                              const std::function<void()>& run) {
  std::vector<Tensor> sums;
  for (const Buffer& buffer : network.buffers())
    sums.push_back(Tensor::zeros(buffer.value.shape()));
  for (std::int64_t i = 0; i < batches; ++i) {
    // From zero, one batch moves a running statistic to momentum times its own.
    for (Buffer& buffer : network.buffers()) buffer.value.fill(0);
    run();
    for (std::size_t b = 0; b < sums.size(); ++b)
      kernels::add_and_scale(sums[b].numel(), network.buffers()[b].value.f32(), 1, sums[b].f32());
  }
  const double share = 1 / (BatchNormState{}.momentum * static_cast<double>(batches));
  for (std::size_t b = 0; b < sums.size(); ++b) {
    kernels::scale(sums[b].numel(), static_cast<float>(share), sums[b].f32());
    network.buffers()[b].value.copy_from(sums[b]);
  }
}

}  // namespace bitwright
