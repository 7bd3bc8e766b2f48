#include "weight.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include <bitwright/core/error.h>
#include <bitwright/core/parallel.h>

namespace bitwright::cat {
namespace {

// Codes of one tensor, and the number that each stands for.
struct Grid {
  float lo = 0, s = 0, step = 0;
  int last = 1;                   // 2^b - 1
  std::array<float, 256> number;  // as Coded::decode computes them

  Grid(const Tensor& w, int bits) : last((1 << bits) - 1) {
    const auto [least, greatest] = std::minmax_element(w.values().begin(), w.values().end());
    lo = *least;
    const float range = *greatest - *least;
    s = range > 0 ? static_cast<float>(last) / range : 0.0f;
    step = range > 0 ? range / static_cast<float>(last) : 0.0f;
    Coded all;
    all.scale = {step};
    all.offset = {lo};
    for (int k = 0; k <= last; ++k) all.codes.push_back(k);
    all.decode({number.data(), all.codes.size()});
  }

  std::int32_t code(float w) const {
    const auto top = static_cast<float>(last);
    const float q = std::nearbyint((w - lo) * s);
    return static_cast<std::int32_t>(q < 0 ? 0.0f : q > top ? top : q);
  }

  void quantize(const Tensor& w, Tensor& out) const {
    const float* const from = w.f32();
    float* const to = out.f32();
    parallel_for(w.numel(), 4096, [this, from, to](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        to[i] = number[static_cast<std::size_t>(code(from[i]))];
    });
  }
};

class QuantizeWeight final : public Op {
 public:
  explicit QuantizeWeight(int bits) : bits_(bits) {}
  std::string_view name() const override { return "min_max_weight"; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> inputs) override {
    return {inputs[0]};
  }
  void forward(std::span<const Tensor> inputs, std::span<Tensor> outputs) override {
    Grid(inputs[0], bits_).quantize(inputs[0], outputs[0]);
  }
  void backward(const BackwardArgs& args) override {
    args.input_gradients[0].copy_from(args.output_gradients[0]);
  }
  bool backward_reads_input(std::size_t) const override { return false; }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  int bits_;
};

}  // namespace

Variable MinMaxWeight::effective(Forward& forward, std::span<const Variable> latents) {
  return forward.tape.record(std::make_unique<QuantizeWeight>(bits_), latents);
}

void MinMaxWeight::write_deployed(Deployment deployment, Tensor& out) const {
  if (deployment == Deployment::hard) return Grid(w_, bits_).quantize(w_, out);
  if (out.f32() != w_.f32()) out.copy_from(w_);
}

std::optional<Coded> MinMaxWeight::coded() const {
  const Grid grid(w_, bits_);
  Coded coded;
  coded.bits = bits_;
  for (const float w : w_.values()) coded.codes.push_back(grid.code(w));
  coded.scale = {grid.step};
  coded.offset = {grid.lo};
  return coded;
}

std::vector<std::int64_t> MinMaxWeight::counts() const {
  const Grid grid(w_, bits_);
  std::vector<std::int64_t> counts(std::size_t{1} << bits_);
  for (const float w : w_.values()) ++counts[static_cast<std::size_t>(grid.code(w))];
  return counts;
}

}  // namespace bitwright::cat
