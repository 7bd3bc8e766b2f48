#include "activation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include <bitwright/core/error.h>
#include <bitwright/core/parallel.h>
#include <bitwright/quant/row_statistics.h>

namespace bitwright::cat {
namespace {

constexpr std::int64_t kGrain = 16384;
constexpr float kNoClip = std::numeric_limits<float>::infinity();

// The quantizer of one tensor: clip, range, levels.
struct Quantizer {
  float clip = kNoClip;  // |c|
  float lo = 0, hi = 0;
  float last = 1;  // 2^b - 1

  bool passes() const { return !(hi > lo); }
  float clipped(float a) const { return clip == kNoClip ? a : std::min(std::max(a, 0.0f), clip); }
};

void use_range_of_values(Quantizer& q, const Tensor& a) {
  const Extremes values = extremes(a).front();
  q.lo = q.clipped(values.low);
  q.hi = q.clipped(values.high);
}

template <class T>
void quantize(const Quantizer& q, std::int64_t n, const T* a, T* y) {
  const float s = q.last / (q.hi - q.lo), step = (q.hi - q.lo) / q.last;
  const float low = q.clip == kNoClip ? -kNoClip : 0.0f;
  parallel_for(n, kGrain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      float v = static_cast<float>(a[i]);
      v = v < low ? low : v > q.clip ? q.clip : v;
      y[i] = static_cast<T>(std::nearbyint((v - q.lo) * s) * step + q.lo);
    }
  });
}

// Adds the codes to the counts.
template <class T>
void count_codes(const Quantizer& q, std::int64_t n, const T* a,
                 std::vector<std::int64_t>& counts) {
  const float s = q.last / (q.hi - q.lo);
  const float low = q.clip == kNoClip ? -kNoClip : 0.0f;
  const std::int64_t chunk = std::max<std::int64_t>(kGrain, (n + 63) / 64);
  const std::int64_t chunks = (n + chunk - 1) / chunk;
  std::vector<std::array<std::int64_t, 256>> partial(static_cast<std::size_t>(chunks));
  auto* const parts = partial.data();
  parallel_for(chunks, 1, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) {
      parts[c].fill(0);
      constexpr std::int64_t block = 512;
      std::array<std::uint8_t, block> codes;
      const std::int64_t stop = std::min(n, (c + 1) * chunk);
      for (std::int64_t i = c * chunk; i < stop; i += block) {
        const std::int64_t now = std::min(block, stop - i);
        for (std::int64_t j = 0; j < now; ++j) {
          float v = static_cast<float>(a[i + j]);
          v = v < low ? low : v > q.clip ? q.clip : v;
          codes[static_cast<std::size_t>(j)] =
              static_cast<std::uint8_t>(static_cast<std::int32_t>(std::nearbyint((v - q.lo) * s)));
        }
        for (std::int64_t j = 0; j < now; ++j) ++parts[c][codes[static_cast<std::size_t>(j)]];
      }
    }
  });
  for (const auto& part : partial)
    for (std::size_t k = 0; k < counts.size(); ++k) counts[k] += part[k];
}

// dx = dy where the value passes; returns the sum of dy where it is clipped. Short runs are summed
// in lanes, which a compiler may keep in one vector.
template <class T>
double pass_back(float clip, std::int64_t n, const T* a, const T* dy, T* dx) {
  return parallel_sum(n, kGrain, [=](std::int64_t begin, std::int64_t end) {
    constexpr std::int64_t lanes = 16, run = 512;
    const auto pass = [=](std::int64_t i) {
      const float v = static_cast<float>(a[i]), g = static_cast<float>(dy[i]);
      const bool over = v > clip;
      dx[i] = static_cast<T>(v > 0 && !over ? g : 0.0f);
      return over ? g : 0.0f;
    };
    double above = 0;
    for (std::int64_t first = begin; first < end; first += run) {
      const std::int64_t stop = std::min(end, first + run);
      std::array<float, lanes> sums{};
      std::int64_t i = first;
      for (; i + lanes <= stop; i += lanes)
        for (std::int64_t k = 0; k < lanes; ++k) sums[static_cast<std::size_t>(k)] += pass(i + k);
      for (; i < stop; ++i) sums[0] += pass(i);
      for (const float sum : sums) above += static_cast<double>(sum);
    }
    return above;
  });
}

// c = mean + 3 std of the ReLU's output: the running mean over batches (EMA 0.9) of both.
template <class T>
void observe(Activation& state, const Compression& how, std::int64_t n, const T* a) {
  const auto sum = [=](const auto& f) {
    return parallel_sum(n, kGrain, [=](std::int64_t begin, std::int64_t end) {
      double total = 0;
      for (std::int64_t i = begin; i < end; ++i) total += f(static_cast<double>(float(a[i])));
      return total;
    });
  };
  const auto count = static_cast<double>(n);
  const double mean = sum([](double x) { return x; }) / count;
  const double variance = sum([=](double x) { return (x - mean) * (x - mean); }) / count;
  const double keep = state.observed == 0 ? 0.0 : 0.9;
  state.mean = keep * state.mean + (1 - keep) * mean;
  state.deviation = keep * state.deviation + (1 - keep) * std::sqrt(variance);
  ++state.observed;
  state.clip.f32()[0] = static_cast<float>(state.mean + how.deviations * state.deviation);
}

template <class T>
void copy(std::int64_t n, const T* from, T* to) {
  parallel_for(n, kGrain, [=](std::int64_t begin, std::int64_t end) {
    std::copy(from + begin, from + end, to + begin);
  });
}

// Where the sampled values lie and what they are.
struct Sampled {
  std::vector<std::int64_t> at;
  std::vector<float> v, g;

  void resize(std::int64_t count) {
    at.resize(static_cast<std::size_t>(count));
    v.resize(at.size());
    g.resize(at.size());
  }
  template <class T>
  void gather(const ValueSample& sample, const Quantizer& q, std::int64_t n, const T* a) {
    sample.draw(n, at);
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = q.clipped(static_cast<float>(a[at[i]]));
  }
};

ValueSample sample_of(const Compression& how, const Activation& state) {
  ValueSample sample = how.sample;
  sample.name = state.layer;
  sample.step = state.step;
  return sample;
}

// R of the sampled values, and its derivative.
class RegularizerOfValues {
 public:
  explicit RegularizerOfValues(const Compression& how) : how_(how), entropy_(how.bins()) {}

  double forward(const Quantizer& q, std::span<const float> v) {
    if (how_.regularizer == Regularizer::entropy)
      return how_.range == Range::clip ? entropy_.forward(v, 0, q.clip) : entropy_.forward(v);
    sum_ = squares_ = 0;
    for (const float x : v) {
      sum_ += std::fabs(static_cast<double>(x));
      squares_ += static_cast<double>(x) * static_cast<double>(x);
    }
    return squares_ > 0 ? sum_ / std::sqrt(squares_) : 0;
  }

  // g = factor dR/dv; returns factor dR/d|c| beside what goes through the values.
  double backward(double factor, std::span<const float> v, std::span<float> g) const {
    if (how_.regularizer == Regularizer::entropy) {
      if (how_.range == Range::clip) return entropy_.backward_in_range(factor, g);
      entropy_.backward(v, factor, g);
      return 0;
    }
    const double norm = std::sqrt(squares_);
    for (std::size_t i = 0; i < v.size(); ++i) {
      const double x = static_cast<double>(v[i]), sign = x > 0 ? 1.0 : x < 0 ? -1.0 : 0.0;
      g[i] = norm > 0 ? static_cast<float>(factor * (sign / norm - sum_ * x / (norm * squares_)))
                      : 0.0f;
    }
    return 0;
  }

 private:
  const Compression how_;
  SoftEntropy entropy_;
  double sum_ = 0, squares_ = 0;
};

class CompressOp final : public Op {
 public:
  CompressOp(std::shared_ptr<Activation> state, const Compression& how)
      : state_(std::move(state)), how_(how), sample_(sample_of(how, *state_)), regularizer_(how) {}

  std::string_view name() const override { return "compress_activation"; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> inputs) override {
    require(is_floating(inputs[0].type), "compress_activation: an operand of integers");
    std::vector<TensorSpec> specs{inputs[0]};
    if (how_.regularizer != Regularizer::none) {
      specs.emplace_back();
      values_.resize(sample_.count(inputs[0].shape.numel()));
    }
    return specs;
  }

  void forward(std::span<const Tensor> inputs, std::span<Tensor> outputs) override {
    for_float_type(inputs[0].type(), [&]<class T>(T*) {
      forward_of(inputs, inputs[0].as<T>(), outputs[0].as<T>(), outputs);
    });
  }

  void backward(const BackwardArgs& args) override {
    for_float_type(args.inputs[0].type(), [&]<class T>(T*) { backward_of<T>(args); });
  }

  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  template <class T>
  void forward_of(std::span<const Tensor> inputs, const T* a, T* y, std::span<Tensor> outputs) {
    const std::int64_t n = inputs[0].numel();
    quantized_ = state_->on.get() != 0;
    if (how_.clips && state_->observed < how_.calibration) {
      observe(*state_, how_, n, a);
      quantized_ = false;
    }
    q_ = {};
    q_.last = static_cast<float>(how_.levels() - 1);
    if (quantized_) {
      if (how_.clips) q_.clip = std::fabs(inputs[1].f32()[0]);
      q_.hi = q_.clip;
      if (how_.range == Range::batch) use_range_of_values(q_, inputs[0]);
    }
    if (q_.passes())
      copy(n, a, y);
    else
      quantize(q_, n, a, y);
    if (how_.regularizer == Regularizer::none) return;
    double r = 0;
    if (quantized_) {
      values_.gather(sample_, q_, n, a);
      r = regularizer_.forward(q_, values_.v);
    }
    outputs[1].f32()[0] = static_cast<float>(r);
  }

  template <class T>
  void backward_of(const BackwardArgs& args) {
    const T *const a = args.inputs[0].as<T>(), *const dy = args.output_gradients[0].as<T>();
    Tensor& gradient = args.input_gradients[0].defined() ? args.input_gradients[0] : unwanted_;
    if (!gradient.defined()) gradient = Tensor::empty(args.inputs[0].spec());
    T* const dx = gradient.as<T>();
    const std::int64_t n = args.inputs[0].numel();
    double above = 0;
    if (quantized_ && how_.clips)
      above = pass_back(q_.clip, n, a, dy, dx);
    else
      copy(n, dy, dx);
    if (quantized_ && how_.regularizer != Regularizer::none)
      above += add_regularizer(static_cast<double>(args.output_gradients[1].item()), a, dx);
    if (!how_.clips || !args.input_gradients[1].defined()) return;
    const float c = args.inputs[1].f32()[0];
    args.input_gradients[1].f32()[0] =
        static_cast<float>(quantized_ ? (c < 0 ? -above : above) : 0.0);
  }

  // Adds the regulariser's part to dx; returns what of it goes to |c|.
  template <class T>
  double add_regularizer(double factor, const T* a, T* dx) {
    double above = regularizer_.backward(factor, values_.v, values_.g);
    for (std::size_t i = 0; i < values_.at.size(); ++i) {
      const std::int64_t at = values_.at[i];
      const float v = static_cast<float>(a[at]);
      if (v > q_.clip)
        above += static_cast<double>(values_.g[i]);
      else if (v > 0 || !how_.clips)
        dx[at] = static_cast<T>(static_cast<float>(dx[at]) + values_.g[i]);
    }
    return above;
  }

  std::shared_ptr<Activation> state_;
  Compression how_;
  ValueSample sample_;
  Sampled values_;
  RegularizerOfValues regularizer_;
  Tensor unwanted_;  // the gradient of an input that wants none
  // Of the last forward pass.
  Quantizer q_;
  bool quantized_ = false;
};

class DeployOp final : public Op {
 public:
  DeployOp(std::shared_ptr<Activation> state, const Compression& how, bool counts)
      : state_(std::move(state)), how_(how), counts_(counts), entropy_(how.bins()) {
    sample_ = sample_of(how, *state_);
    sample_.step = Scalar(0);
  }

  std::string_view name() const override { return "compress_activation_deployed"; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> inputs) override {
    values_.resize(sample_.count(inputs[0].shape.numel()));
    return {inputs[0]};
  }

  void forward(std::span<const Tensor> inputs, std::span<Tensor> outputs) override {
    for_float_type(inputs[0].type(), [&]<class T>(T*) {
      run(inputs, inputs[0].numel(), inputs[0].as<T>(), outputs[0].as<T>());
    });
  }

  void backward(const BackwardArgs&) override {
    require(false, "a deployed activation has no gradient");
  }

 private:
  template <class T>
  void run(std::span<const Tensor> inputs, std::int64_t n, const T* a, T* y) {
    Quantizer q;
    q.last = static_cast<float>(how_.levels() - 1);
    if (state_->on.get() != 0) {
      const bool clips = how_.clips && state_->observed > 0;
      if (clips) q.clip = std::fabs(inputs[1].f32()[0]);
      q.hi = q.clip;
      if (!clips || how_.deployed_range == Range::batch) use_range_of_values(q, inputs[0]);
    }
    if (q.passes()) {
      copy(n, a, y);
      if (counts_ && state_->on.get() != 0) state_->counts[0] += n;  // all values are one
      return;
    }
    quantize(q, n, a, y);
    if (!counts_) return;
    count_codes(q, n, a, state_->counts);
    values_.gather(sample_, q, n, a);
    state_->soft_entropy += entropy_.forward(values_.v, q.lo, q.hi);
    ++state_->soft_entropies;
  }

  std::shared_ptr<Activation> state_;
  Compression how_;
  bool counts_;
  ValueSample sample_;
  Sampled values_;
  SoftEntropy entropy_;
};

std::vector<Variable> operands(const Variable& a, const Variable& clip, const Compression& how) {
  return how.clips ? std::vector<Variable>{a, clip} : std::vector<Variable>{a};
}

}  // namespace

void Activation::forget() {
  std::fill(counts.begin(), counts.end(), std::int64_t{0});
  soft_entropy = 0;
  soft_entropies = 0;
}

void Activation::visit(StateVisitor& visitor) {
  const StateScope scope(visitor, layer);
  visitor.integer("observed", observed);
  visitor.real("mean", mean);
  visitor.real("deviation", deviation);
}

Compressed compress(const Variable& a, const Variable& clip, std::shared_ptr<Activation> state,
                    const Compression& how) {
  const auto inputs = operands(a, clip, how);
  const auto outputs =
      a.tape().record_many(std::make_unique<CompressOp>(std::move(state), how), inputs);
  return {outputs[0], outputs.size() > 1 ? outputs[1] : Variable()};
}

Variable deploy(const Variable& a, const Variable& clip, std::shared_ptr<Activation> state,
                const Compression& how, bool counts) {
  const auto inputs = operands(a, clip, how);
  return a.tape().record(std::make_unique<DeployOp>(std::move(state), how, counts), inputs);
}

}  // namespace bitwright::cat
