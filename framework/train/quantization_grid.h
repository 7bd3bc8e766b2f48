#pragma once
// One network of frozen weights, evaluated under many quantizers.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <bitwright/data/loader.h>
#include <bitwright/quant/quantizer.h>

#include "train/evaluation_work.h"
#include "train/quantized_network.h"

namespace bitwright {

/// The axes of the grid, in the order of its dimensions, and what all cells share. 32 bits: float.
struct GridOptions {
  std::vector<std::unique_ptr<Quantizer>> quantizers;  ///< of weights
  std::vector<int> weight_bits;
  std::vector<bool> bias_correction;
  std::vector<int> activation_bits;
  std::vector<bool> power_of_two;
  std::vector<double> step_ratio;
  std::unique_ptr<Quantizer> activations;
  KeptFloat kept;
  std::int64_t batch_norm_batches = 0;  ///< re-estimation in every cell; 0: none
  DType precision = DType::f32;

  std::int64_t cells() const;
};

/// Evaluates cell after cell; each counts as one step. Leaves no trace: weights, running statistics
/// and methods are as before.
class QuantizationGrid final : public EvaluationWork {
 public:
  /// `images` are what cells are evaluated on, `calibration` what activations' ranges are found on,
  /// `training` what running statistics are measured on. All of them, and the rest, are the
  /// caller's.
  QuantizationGrid(Network& network, MethodStack& methods, Evaluator& validation,
                   EvaluationLoader& images, EvaluationLoader& calibration, BatchLoader& training,
                   const GridOptions& options);

  bool run(TrainingObserver& observer) override;
  void observe(StepObserver* observer) override;

 private:
  struct Cell {
    std::size_t quantizer = 0;
    int weight_bits = 32, activation_bits = 32;
    bool bias_correction = false, power_of_two = false;
    double step_ratio = 1;
  };
  Cell cell(std::int64_t index) const;
  std::string key_of(const Cell& cell) const;
  Evaluation evaluate(const Cell& cell);
  void quantize_weights(const Cell& cell, const Precision& precision);
  void calibrate(const Cell& cell);
  void reestimate();

  EvaluationLoader &images_, &calibration_;
  BatchLoader& training_;
  const GridOptions& options_;
  QuantizedNetwork quantized_;
  std::unique_ptr<QuantizedNetwork> training_pass_;  // null: no re-estimation
  std::map<std::string, std::vector<Range>> weight_ranges_;
  std::string calibrated_;                   // for which weights
  std::map<std::string, Evaluation> known_;  // cells that are the same although settings differ
};

}  // namespace bitwright
