#include "activation.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <bitwright/core/parallel.h>

namespace bitwright::bsq {
namespace {

constexpr std::int64_t kGrain = 16384;

class QuantizeActivation final : public Op {
 public:
  QuantizeActivation(const ActivationOptions& options, std::shared_ptr<RunningRange> range,
                     bool deployed)
      : options_(options), range_(std::move(range)), deployed_(deployed) {}

  std::string_view name() const override { return "quantize_activation"; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> inputs) override {
    peaks_.resize(static_cast<std::size_t>((inputs[0].shape.numel() + kGrain - 1) / kGrain));
    return {inputs[0]};
  }

  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    for_float_type(in[0].type(), [&]<class T>(T*) { run<T>(in, out[0]); });
  }

  void backward(const BackwardArgs& a) override {
    for_float_type(a.inputs[0].type(), [&]<class T>(T*) { pull_back<T>(a); });
  }

  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  static float clip_of(std::span<const Tensor> in) {
    return in.size() > 1 ? in[1].item() : INFINITY;
  }

  template <class T>
  void run(std::span<const Tensor> in, Tensor& out) {
    const float clip = clip_of(in);
    const T* const x = in[0].as<T>();
    T* const y = out.as<T>();
    const std::int64_t n = in[0].numel();
    choose_top(std::min(largest(x, n), clip));
    const float most = static_cast<float>((1 << options_.bits) - 1);
    const float per_step = top_ > 0 ? most / top_ : 0, step = top_ / most;
    const float high = std::min(clip, top_);
    parallel_for(n, kGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const float v = static_cast<float>(x[i]), clipped = v < high ? v : high;
        y[i] = T(std::nearbyint(clipped * per_step) * step);
      }
    });
  }

  // The clip grows with x, so the range of the clipped batch is the clipped range.
  template <class T>
  float largest(const T* x, std::int64_t n) {
    parallel_for(static_cast<std::int64_t>(peaks_.size()), 1,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t part = begin; part < end; ++part) {
                     float peak = 0;
                     const std::int64_t stop = std::min(n, (part + 1) * kGrain);
#pragma omp simd reduction(max : peak)
                     for (std::int64_t i = part * kGrain; i < stop; ++i)
                       peak = std::max(peak, static_cast<float>(x[i]));
                     peaks_[static_cast<std::size_t>(part)] = peak;
                   }
                 });
    return *std::max_element(peaks_.begin(), peaks_.end());
  }

  void choose_top(float of_batch) {
    top_ = of_batch;
    if (!options_.running) return;
    if (!deployed_) {
      const double share = range_->known ? options_.momentum : 1;
      range_->value += share * (static_cast<double>(of_batch) - range_->value);
      range_->known = true;
    }
    if (range_->known) top_ = static_cast<float>(range_->value);
  }

  template <class T>
  void pull_back(const BackwardArgs& a) {
    const float clip = clip_of(a.inputs);
    const float high = options_.running ? std::min(clip, top_) : clip;
    const T *const x = a.inputs[0].as<T>(), *const dy = a.output_gradients[0].as<T>();
    Tensor x_gradient = a.input_gradients[0];
    T* const dx = x_gradient.defined() ? x_gradient.as<T>() : nullptr;
    const std::int64_t n = a.inputs[0].numel();
    if (dx != nullptr)
      parallel_for(n, kGrain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i)
          dx[i] = static_cast<float>(x[i]) <= high ? dy[i] : T(0.0f);
      });
    if (a.input_gradients.size() < 2 || !a.input_gradients[1].defined()) return;
    const double sum = parallel_sum(n, kGrain, [&](std::int64_t begin, std::int64_t end) {
      float part = 0;
#pragma omp simd reduction(+ : part)
      for (std::int64_t i = begin; i < end; ++i)
        part += static_cast<float>(x[i]) >= clip ? static_cast<float>(dy[i]) : 0.0f;
      return static_cast<double>(part);
    });
    a.input_gradients[1].f32()[0] = static_cast<float>(sum);
  }

  ActivationOptions options_;
  std::shared_ptr<RunningRange> range_;
  bool deployed_;
  std::vector<float> peaks_;
  float top_ = 0;  // S of the last forward pass
};

}  // namespace

Variable quantize_activation(const Variable& x, const Variable& clip,
                             const ActivationOptions& options, std::shared_ptr<RunningRange> range,
                             bool deployed) {
  std::vector<Variable> inputs{x};
  if (clip.defined()) inputs.push_back(clip);
  return x.tape().record(std::make_unique<QuantizeActivation>(options, std::move(range), deployed),
                         inputs);
}

}  // namespace bitwright::bsq
