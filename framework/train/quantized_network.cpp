#include "train/quantized_network.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include <bitwright/core/glob.h>

namespace bitwright {
namespace {

bool kept_word(const KeptFloat& kept, std::string_view word) {
  return std::ranges::find(kept.list, word) != kept.list.end();
}

bool is_word(const std::string& entry) {
  return entry == "first" || entry == "last" || entry == "linear";
}

bool kept_by_name(const KeptFloat& kept, const std::string& layer) {
  return std::ranges::any_of(kept.list, [&](const std::string& entry) {
    return !is_word(entry) && glob_match(entry, layer);
  });
}

void check_patterns(const Network& network, const KeptFloat& kept) {
  for (const std::string& entry : kept.list) {
    const bool used =
        is_word(entry) || std::ranges::any_of(network.summary(), [&](const LayerSummary& layer) {
          return glob_match(entry, layer.name);
        });
    if (!used)
      throw config_error(
          kept.where, fmt::format("'{}' names no layer", entry),
          "first, last, linear, or a pattern for layers such as " + network.summary().front().name);
  }
}

bool is_activation_function(std::string_view kind) {
  constexpr std::array kinds{"relu", "relu6", "leaky_relu", "tanh", "sigmoid", "hard_tanh"};
  return std::ranges::find(kinds, kind) != kinds.end();
}

class AtPoint final : public Op {
 public:
  AtPoint(ActivationPoint& point, const std::int64_t& images) : point_(point), images_(images) {}
  std::string_view name() const override { return "quantize_activation"; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override { return {in[0]}; }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    if (point_.mode == ActivationPoint::Mode::quantize)
      return point_.levels.quantize(in[0], out[0]);
    if (point_.mode == ActivationPoint::Mode::observe) point_.statistics.add(in[0], images_);
    std::memcpy(out[0].data(), in[0].data(), in[0].bytes());
  }
  void backward(const BackwardArgs&) override { require(false, "evaluation has no gradients"); }

 private:
  ActivationPoint& point_;
  const std::int64_t& images_;
};

}  // namespace

std::vector<const Parameter*> quantized_weights(const Network& network, const KeptFloat& kept) {
  check_patterns(network, kept);
  std::vector<const Parameter*> convolutions, all;
  for (const Parameter& p : network.parameters())
    if (p.kind == ParameterKind::conv_weight) convolutions.push_back(&p);
  for (const Parameter& p : network.parameters()) {
    const bool convolution = p.kind == ParameterKind::conv_weight;
    if (!convolution && p.kind != ParameterKind::linear_weight) continue;
    if (!convolution && kept_word(kept, "linear")) continue;
    if (convolution && &p == convolutions.front() && kept_word(kept, "first")) continue;
    if (convolution && &p == convolutions.back() && kept_word(kept, "last")) continue;
    if (!kept_by_name(kept, p.layer)) all.push_back(&p);
  }
  if (all.empty())
    throw config_error(kept.where, "every weight stays float",
                       "at least one layer to quantize: fewer of first, last, linear",
                       "such as keep_float: [first]");
  return all;
}

class QuantizedNetwork::Hooks final : public ForwardHooks {
 public:
  explicit Hooks(QuantizedNetwork& owner) : owner_(owner) {}
  Variable layer_output(Forward& forward, const Layer& layer, const Variable& y) override {
    if (!is_activation_function(layer.kind())) return y;
    owner_.points_.push_back(std::make_unique<ActivationPoint>());
    owner_.points_.back()->layer = layer.name();
    return forward.tape.record(std::make_unique<AtPoint>(*owner_.points_.back(), owner_.images_),
                               std::array{y});
  }

 private:
  QuantizedNetwork& owner_;
};

QuantizedNetwork::QuantizedNetwork(Network& network, MethodStack& methods, const BatchShape& batch,
                                   DType precision, BatchStatistics statistics,
                                   const KeptFloat& kept)
    : hooks_(std::make_unique<Hooks>(*this)),
      step_(std::make_unique<EvaluationStep>(network, methods, batch, precision, statistics,
                                             hooks_.get())) {
  for (auto& point : points_) point->kept_float = kept_by_name(kept, point->layer);
  if (points_.empty()) return;
  points_.front()->kept_float |= kept_word(kept, "first");
  points_.back()->kept_float |= kept_word(kept, "last");
}

QuantizedNetwork::~QuantizedNetwork() = default;

EvaluationStep::Sums QuantizedNetwork::run(std::int64_t images) {
  images_ = images;
  return step_->run(images);
}

}  // namespace bitwright
