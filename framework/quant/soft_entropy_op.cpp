#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include <bitwright/core/error.h>
#include <bitwright/core/parallel.h>
#include <bitwright/core/rng.h>
#include <bitwright/quant/entropy.h>

namespace bitwright {

std::int64_t ValueSample::count(std::int64_t n) const {
  const auto wanted = static_cast<std::int64_t>(std::ceil(fraction * static_cast<double>(n)));
  return std::min(n, std::max(minimum, wanted));
}

void ValueSample::draw(std::int64_t n, std::span<std::int64_t> indices) const {
  const auto m = static_cast<std::int64_t>(indices.size());
  std::int64_t* const out = indices.data();
  if (m == n) {
    for (std::int64_t i = 0; i < m; ++i) out[i] = i;
    return;
  }
  const Rng rng(seed, "value sample", hash_name(name), static_cast<std::uint64_t>(step.get()));
  // One block of the generator serves four cells; each range begins at a block.
  const std::int64_t blocks = (m + 3) / 4;
  parallel_for(blocks, 1024, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const std::array<std::uint32_t, 4> random = rng.block(static_cast<std::uint64_t>(b));
      for (std::int64_t cell = 4 * b; cell < std::min(m, 4 * b + 4); ++cell) {
        const std::int64_t first = cell * n / m, width = (cell + 1) * n / m - first;
        const std::uint64_t r = random[static_cast<std::size_t>(cell - 4 * b)];
        out[cell] = first + static_cast<std::int64_t>(r * static_cast<std::uint64_t>(width) >> 32);
      }
    }
  });
}

namespace {

class SoftEntropyOp final : public Op {
 public:
  SoftEntropyOp(const SoftBins& bins, ValueSample sample)
      : entropy_(bins), sample_(std::move(sample)) {}

  std::string_view name() const override { return "soft_entropy"; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> inputs) override {
    require(is_floating(inputs[0].type), "soft_entropy: an operand of integers");
    const auto m = static_cast<std::size_t>(sample_.count(inputs[0].shape.numel()));
    indices_.resize(m);
    a_.resize(m);
    g_.resize(m);
    return {TensorSpec{}};
  }

  void forward(std::span<const Tensor> inputs, std::span<Tensor> outputs) override {
    sample_.draw(inputs[0].numel(), indices_);
    for_float_type(inputs[0].type(), [&]<class T>(T*) {
      const T* const x = inputs[0].as<T>();
      for (std::size_t i = 0; i < a_.size(); ++i) a_[i] = static_cast<float>(x[indices_[i]]);
    });
    outputs[0].f32()[0] = static_cast<float>(entropy_.forward(a_));
  }

  void backward(const BackwardArgs& args) override {
    entropy_.backward(a_, static_cast<double>(args.output_gradients[0].item()), g_);
    Tensor& dx = args.input_gradients[0];
    dx.fill(0);
    for_float_type(dx.type(), [&]<class T>(T*) {
      T* const out = dx.as<T>();
      for (std::size_t i = 0; i < g_.size(); ++i) out[indices_[i]] = static_cast<T>(g_[i]);
    });
  }

  bool backward_reads_input(std::size_t) const override { return false; }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  SoftEntropy entropy_;
  ValueSample sample_;
  std::vector<std::int64_t> indices_;
  std::vector<float> a_, g_;
};

}  // namespace

Variable soft_entropy(const Variable& x, const SoftBins& bins, const ValueSample& sample) {
  const std::array inputs{x};
  return x.tape().record(std::make_unique<SoftEntropyOp>(bins, sample), inputs);
}

}  // namespace bitwright
