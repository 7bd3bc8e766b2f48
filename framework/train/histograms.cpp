#include "train/histograms.h"

#include <algorithm>
#include <cmath>

namespace bitwright {

namespace {

bool is_weight(const Parameter& p) {
  return p.kind == ParameterKind::conv_weight || p.kind == ParameterKind::linear_weight;
}

bool has_values(const Tensor& tensor) { return tensor.defined() && is_floating(tensor.type()); }

// One histogram over all the tensors, at one name of the record; what was there is gone.
void count(std::span<const Tensor> tensors, std::size_t name, HistogramRecord& record) {
  kernels::FiniteRange range;
  for (const Tensor& tensor : tensors)
    for_float_type(tensor.type(), [&]<class T>(T*) {
      range.add(kernels::finite_range(tensor.numel(), tensor.as<T>()));
    });
  record.not_finite[name] = range.not_finite;
  record.low[name] = record.high[name] = NAN;
  std::ranges::fill(record.counts_of(name), 0);
  if (range.empty()) return;
  record.low[name] = static_cast<double>(range.low);
  record.high[name] = static_cast<double>(range.high);
  for (const Tensor& tensor : tensors)
    for_float_type(tensor.type(), [&]<class T>(T*) {
      kernels::count_in_bins(tensor.numel(), tensor.as<T>(), range.low, range.high,
                             record.counts_of(name));
    });
}

}  // namespace

HistogramNames::HistogramNames(const Network& network) {
  for (const Parameter& p : network.parameters())
    if (is_weight(p)) {
      weights.push_back(p.name);
      elements.push_back(p.value.numel());
    }
  for (const LayerSummary& layer : network.summary()) layers.push_back(layer.name);
}

HistogramRecord::HistogramRecord(std::size_t names, std::int64_t bins)
    : low(names), high(names), not_finite(names), counts(names * static_cast<std::size_t>(bins)) {
  clear();
}

void HistogramRecord::clear() {
  std::ranges::fill(low, NAN);
  std::ranges::fill(high, NAN);
  std::ranges::fill(not_finite, 0);
  std::ranges::fill(counts, 0);
}

std::span<std::int64_t> HistogramRecord::counts_of(std::size_t name) {
  const std::size_t bins = counts.size() / low.size();
  return std::span(counts).subspan(name * bins, bins);
}

Histograms::Histograms(const HistogramNames& names, const HistogramOptions& options,
                       const MethodStack& methods, std::int64_t steps_before, Sink sink)
    : names_(names),
      options_(options),
      steps_before_(steps_before),
      sink_(std::move(sink)),
      tensors_(names.weights.size()),
      of_weights_(names.weights.size(), options.bins),
      of_layers_(names.layers.size(), options.bins) {
  for (Optimized& o : methods.optimized()) {
    const auto at = std::ranges::find(names.weights, o.parameter);
    if (at == names.weights.end()) continue;
    const auto weight = static_cast<std::size_t>(at - names.weights.begin());
    if (o.value.numel() >= names.elements[weight]) tensors_[weight].push_back(std::move(o));
  }
}

void Histograms::step_begins(const StepInfo& info) {
  run_step_ = steps_before_ + info.step + 1;
  due_ = run_step_ % options_.every == 0;
  if (due_) of_layers_.clear();
}

// The last op that bears a layer's name gives what the layer hands on. An op that was joined with
// others bears the name of the first and stands where the last one stood; the layers that then have
// no op are the joined ones, and what the op gives is theirs.
void Histograms::find_layers(const Tape& tape) {
  tape_ = &tape;
  layer_.assign(tape.size(), {});
  std::optional<std::size_t> newest;  // op so far
  for (std::size_t layer = 0; layer < names_.layers.size(); ++layer) {
    std::optional<std::size_t> own;
    for (std::size_t i = 0; i < tape.size(); ++i)
      if (tape.label(i) == names_.layers[layer]) own = i;
    newest = std::max(newest, own);  // none is below all
    if (newest) layer_[own.value_or(*newest)] = layer;
  }
}

void Histograms::after(const Event& event) {
  if (!due_ || evaluating_ || !options_.activations || event.pass != Pass::forward) return;
  if (tape_ != &event.tape) find_layers(event.tape);
  if (const auto layer = layer_[event.node]; layer && has_values(event.results[0]))
    count(event.results.first(1), *layer, of_layers_);
}

void Histograms::count_parameters(HistogramOf of) {
  std::vector<Tensor> tensors;
  for (std::size_t name = 0; name < tensors_.size(); ++name) {
    tensors.clear();
    for (const Optimized& o : tensors_[name]) {
      const Tensor& tensor = of == HistogramOf::weights ? o.value : o.gradient;
      if (has_values(tensor)) tensors.push_back(tensor);
    }
    count(tensors, name, of_weights_);
  }
  sink_(of, run_step_, of_weights_);
}

void Histograms::step_ends() {
  if (!due_) return;
  due_ = false;
  if (options_.weights) count_parameters(HistogramOf::weights);
  if (options_.activations) sink_(HistogramOf::activations, run_step_, of_layers_);
  if (options_.gradients) count_parameters(HistogramOf::gradients);
}

}  // namespace bitwright
