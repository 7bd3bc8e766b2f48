#include "train/quantization_grid.h"

#include <algorithm>

#include <fmt/format.h>

#include <bitwright/tensor/memory_state.h>

#include "train/batch_norm_statistics.h"

namespace bitwright {

constexpr int kFloatBits = 32;

std::int64_t GridOptions::cells() const {
  return static_cast<std::int64_t>(quantizers.size() * weight_bits.size() * bias_correction.size() *
                                   activation_bits.size() * power_of_two.size() *
                                   step_ratio.size());
}

QuantizationGrid::QuantizationGrid(Network& network, MethodStack& methods, Evaluator& validation,
                                   EvaluationLoader& images, EvaluationLoader& calibration,
                                   BatchLoader& training, const GridOptions& options)
    : EvaluationWork(network, methods, validation),
      images_(images),
      calibration_(calibration),
      training_(training),
      options_(options),
      quantized_(network, methods, images.shape(), options.precision, BatchStatistics::running,
                 options.kept) {
  if (options.batch_norm_batches > 0)
    training_pass_ =
        std::make_unique<QuantizedNetwork>(network, methods, training.shape(), options.precision,
                                           BatchStatistics::of_the_batch, options.kept);
}

void QuantizationGrid::observe(StepObserver* observer) {
  validation_.observe(observer);
  quantized_.step().observe(observer);
}

bool QuantizationGrid::run(TrainingObserver& observer) {
  const std::int64_t cells = options_.cells();
  if (done_ == 0) {
    EvaluationRecord record{1, validation_.run(Deployment::hard), methods_.measure()};
    accuracy_ = record.hard.accuracy;
    observer.on_evaluation(record);
  }
  while (done_ < cells) {
    observer.on_cell(done_, evaluate(cell(done_)));
    ++done_;
    if (observer.on_step_complete(done_)) return false;
  }
  return true;
}

QuantizationGrid::Cell QuantizationGrid::cell(std::int64_t index) const {
  auto rest = static_cast<std::size_t>(index);
  const auto next = [&rest](const auto& axis) {
    const std::size_t at = rest % axis.size();
    rest /= axis.size();
    return at;
  };
  Cell cell;  // the last axis is the fastest
  cell.step_ratio = options_.step_ratio[next(options_.step_ratio)];
  cell.power_of_two = options_.power_of_two[next(options_.power_of_two)];
  cell.activation_bits = options_.activation_bits[next(options_.activation_bits)];
  cell.bias_correction = options_.bias_correction[next(options_.bias_correction)];
  cell.weight_bits = options_.weight_bits[next(options_.weight_bits)];
  cell.quantizer = rest;
  return cell;
}

// Settings that have an effect: what is float has neither quantizer nor step.
std::string QuantizationGrid::key_of(const Cell& cell) const {
  std::string key;
  if (cell.weight_bits < kFloatBits)
    key = fmt::format("{} {} {}", cell.quantizer, cell.weight_bits, cell.bias_correction);
  if (cell.activation_bits < kFloatBits) key += fmt::format(" A{}", cell.activation_bits);
  if (!key.empty()) key += fmt::format(" {} {}", cell.power_of_two, cell.step_ratio);
  return key;
}

Evaluation QuantizationGrid::evaluate(const Cell& cell) {
  const std::string key = key_of(cell);
  if (const auto at = known_.find(key); at != known_.end()) return at->second;
  const bool activations = cell.activation_bits < kFloatBits;
  if (activations) calibrate(cell);
  quantize_weights(cell, {cell.weight_bits, cell.step_ratio, cell.power_of_two});
  std::size_t k = 0;
  for (auto& point : quantized_.activations()) {
    using enum ActivationPoint::Mode;
    point->mode = activations && !point->kept_float ? quantize : pass;
    if (point->mode == quantize) {
      const Range range =
          options_.activations->range(point->statistics.observed(), cell.activation_bits);
      point->levels = options_.activations->levels(
          range, {cell.activation_bits, cell.step_ratio, cell.power_of_two});
    }
    if (training_pass_) {
      ActivationPoint& other = *training_pass_->activations()[k++];
      other.mode = point->mode, other.levels = point->levels;
    }
  }
  MemoryState statistics;
  const auto buffers = [this](StateVisitor& visitor) {
    for (Buffer& buffer : network_.buffers()) visitor.tensor(buffer.name, buffer.value);
  };
  if (training_pass_) statistics.save(buffers), reestimate();
  const Evaluation result = evaluate_all(images_, quantized_.step().batch(),
                                         [this](std::int64_t n) { return quantized_.run(n); });
  if (training_pass_) statistics.load(buffers);
  return known_[key] = result;
}

void QuantizationGrid::quantize_weights(const Cell& cell, const Precision& precision) {
  const Quantizer& quantizer = *options_.quantizers[cell.quantizer];
  const auto targets = quantized_weights(network_, options_.kept);
  const auto write = [&](const Parameter& parameter, Tensor& out) {
    if (cell.weight_bits >= kFloatBits || std::ranges::find(targets, &parameter) == targets.end())
      return out.copy_from(parameter.value);
    std::vector<Range>& ranges =
        weight_ranges_[fmt::format("{} {} {}", parameter.name, cell.quantizer, cell.weight_bits)];
    if (ranges.empty()) ranges = weight_ranges(quantizer, parameter.value, cell.weight_bits);
    quantize_weight(quantizer, ranges, precision, cell.bias_correction, parameter.value, out);
  };
  quantized_.step().deploy(write);
  if (training_pass_) training_pass_->step().deploy(write);
}

// Activations are watched behind weights that are quantized at their own, unchanged step, and with
// float activations before them.
void QuantizationGrid::calibrate(const Cell& cell) {
  Cell weights = cell;
  weights.activation_bits = kFloatBits, weights.power_of_two = false, weights.step_ratio = 1;
  const std::string key = "for " + key_of(weights);
  if (calibrated_ == key) return;
  calibrated_ = key;
  quantize_weights(weights, {.bits = weights.weight_bits});
  for (auto& point : quantized_.activations()) {
    point->mode = ActivationPoint::Mode::observe;
    point->statistics.clear();
  }
  calibration_.rewind();
  while (const std::int64_t images = calibration_.next(quantized_.step().batch()))
    quantized_.run(images);
}

void QuantizationGrid::reestimate() {
  training_.seek(0);
  average_batch_statistics(network_, options_.batch_norm_batches, [this] {
    training_.next(training_pass_->step().batch());
    training_pass_->run(training_.shape().n);
  });
}

}  // namespace bitwright
