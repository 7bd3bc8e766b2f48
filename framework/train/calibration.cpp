#include "train/calibration.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>

#include <bitwright/core/rng.h>

#include "train/evaluation_step.h"

namespace bitwright {
namespace {

// Hands on what comes in, and shows it.
class Watch final : public Op {
 public:
  Watch(const Layer& layer, std::vector<ActivationObserver*> observers, const std::int64_t& images)
      : layer_(layer), observers_(std::move(observers)), images_(images) {}
  std::string_view name() const override { return "watch"; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override { return {in[0]}; }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    std::memcpy(out[0].data(), in[0].data(), in[0].bytes());
    for (ActivationObserver* observer : observers_) observer->observe(layer_, in[0], images_);
  }
  void backward(const BackwardArgs&) override { require(false, "calibration has no gradients"); }

 private:
  const Layer& layer_;
  const std::vector<ActivationObserver*> observers_;
  const std::int64_t& images_;
};

class WatchingHooks final : public ForwardHooks {
 public:
  explicit WatchingHooks(const std::vector<ActivationObserver*>& observers)
      : observers_(observers) {}
  Variable layer_output(Forward& forward, const Layer& layer, const Variable& y) override {
    std::vector<ActivationObserver*> interested;
    for (ActivationObserver* observer : observers_)
      if (observer->observes(layer)) interested.push_back(observer);
    if (interested.empty()) return y;
    return forward.tape.record(std::make_unique<Watch>(layer, std::move(interested), images),
                               std::array{y});
  }

  std::int64_t images = 0;  ///< of the batch, that count

 private:
  const std::vector<ActivationObserver*>& observers_;
};

}  // namespace

std::vector<std::uint32_t> calibration_images(const std::vector<std::uint32_t>& training,
                                              std::int64_t count, std::uint64_t seed) {
  const auto all = static_cast<std::uint32_t>(training.size());
  const auto wanted = static_cast<std::size_t>(std::min<std::int64_t>(count, all));
  std::vector<std::uint32_t> drawn;
  for (const std::uint32_t at : Rng(seed, "calibration").permutation(all)) {
    if (drawn.size() == wanted) break;
    drawn.push_back(training[at]);
  }
  return drawn;
}

std::vector<ActivationObserver*> activation_observers(const MethodStack& methods) {
  std::vector<ActivationObserver*> observers;
  for (const auto& method : methods.methods())
    if (auto* observer = dynamic_cast<ActivationObserver*>(method.get()))
      observers.push_back(observer);
  return observers;
}

void calibrate(Network& network, MethodStack& methods, EvaluationLoader& loader, DType precision,
               const std::vector<ActivationObserver*>& observers) {
  WatchingHooks hooks(observers);
  EvaluationStep step(network, methods, loader.shape(), precision, BatchStatistics::running,
                      &hooks);
  step.deploy(Deployment::hard);
  loader.rewind();
  while ((hooks.images = loader.next(step.batch())) > 0) step.run(hooks.images);
}

}  // namespace bitwright
