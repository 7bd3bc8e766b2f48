#pragma once
// Histograms of the weights, activations and gradients of layers, at chosen steps.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/histogram.h"
#include "train/method_stack.h"
#include "train/step_observer.h"

namespace bitwright {

/// What is counted, and when.
struct HistogramOptions {
  std::int64_t every = 0;  ///< updates of the run between two records; 0: there are none
  std::int64_t bins = 64;
  bool weights = true, activations = true, gradients = true;
};

/// Who of a network has histograms, in the order of the file's columns.
struct HistogramNames {
  HistogramNames() = default;
  explicit HistogramNames(const Network& network);
  std::vector<std::string> weights;    ///< parameters: weights of convolutions and linear layers
  std::vector<std::int64_t> elements;  ///< of each of them
  std::vector<std::string> layers;     ///< all that give activations
};

enum class HistogramOf { weights, activations, gradients };

/// One histogram for each name. A name that has none at this step: NaN and zeros.
struct HistogramRecord {
  HistogramRecord(std::size_t names, std::int64_t bins);
  void clear();
  std::span<std::int64_t> counts_of(std::size_t name);

  std::vector<double> low, high;         ///< of each name: the outer edges
  std::vector<std::int64_t> not_finite;  ///< of each name: values that are in no bin
  std::vector<std::int64_t> counts;      ///< [name][bin]
};

/// Follows the training steps of one stage. Weights are those that are trained, after the update;
/// where a method trains several tensors in the place of one weight, they are counted together, but
/// for those that are smaller than it: scales, clips and the like.
/// Gradients are theirs, as the optimizer used them. An activation is what a layer hands on in the
/// training pass, of a step's last batch; that of a layer whose op is joined with the next one's is
/// never formed, and has no record.
class Histograms final : public StepObserver {
 public:
  using Sink = std::function<void(HistogramOf, std::int64_t run_step, const HistogramRecord&)>;

  /// Of a stage whose step is traced; `steps_before`: of the run's earlier stages.
  Histograms(const HistogramNames& names, const HistogramOptions& options,
             const MethodStack& methods, std::int64_t steps_before, Sink sink);

  void step_begins(const StepInfo& info) override;
  void step_ends() override;
  void enter(Phase phase) override { evaluating_ |= phase == Phase::evaluation; }
  void leave(Phase phase) override { evaluating_ &= phase != Phase::evaluation; }
  void after(const Event& event) override;

 private:
  void find_layers(const Tape& tape);
  void count_parameters(HistogramOf of);

  const HistogramNames& names_;
  const HistogramOptions options_;
  const std::int64_t steps_before_;
  const Sink sink_;
  std::vector<std::vector<Optimized>> tensors_;  // of each weight
  HistogramRecord of_weights_, of_layers_;
  const Tape* tape_ = nullptr;                     // of the training step
  std::vector<std::optional<std::size_t>> layer_;  // whose activation each of its ops gives
  std::int64_t run_step_ = 0;
  bool due_ = false, evaluating_ = false;
};

}  // namespace bitwright
