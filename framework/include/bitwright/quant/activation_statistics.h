#pragma once
// What calibration batches show of one activation, kept small.

#include <cstdint>
#include <vector>

#include <bitwright/quant/range.h>
#include <bitwright/tensor/tensor.h>

namespace bitwright {

/// Extremes of all values and of each batch, and an even sample: at most so many values for each
/// image on average.
class ActivationStatistics {
 public:
  static constexpr std::int64_t values_per_image = 128;

  void clear();
  /// The first `images` of a batch of f32 or bf16, images one after the other in memory.
  void add(const Tensor& batch, std::int64_t images);
  /// Refers to the sample: valid until the next add() or clear(). Needs at least one batch.
  Observed observed() const;

 private:
  std::vector<float> sample_;
  std::vector<double> low_, high_;  // of each batch
};

}  // namespace bitwright
