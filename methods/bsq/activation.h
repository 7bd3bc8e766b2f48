#pragma once
// Activation quantizers, section 3.8 of the paper: a clip behind each ReLU, then a uniform grid
// over the range of the whole batch.

#include <memory>
#include <string>
#include <vector>

#include <bitwright/train/method.h>

namespace bitwright::bsq {

/// The running range of one activation, with `range: ema`.
struct RunningRange {
  double value = 0;  ///< S
  bool known = false;
};

struct ActivationOptions {
  int bits = 4;
  bool running = false;   ///< S is a moving average, which evaluations use as it stands
  double momentum = 0.1;  ///< share of the batch's range in an update of the average
};

/// y = min(x, A), A = `clip` (a scalar: PACT, or a constant 6: ReLU6; undefined: no clip), for x of
/// a ReLU, then S round(min(y, S) L / S) / L with L = 2^bits - 1 and S = max y over the batch.
/// Straight through the rounding; S is treated as a constant:
///   dx = dy [x <= A],  dA = sum dy [x >= A];
/// with a running range nothing passes where S < y. x and the result are f32 or bf16.
/// `deployed`: a running range is used, not moved.
Variable quantize_activation(const Variable& x, const Variable& clip,
                             const ActivationOptions& options, std::shared_ptr<RunningRange> range,
                             bool deployed);

/// The quantizers behind the ReLUs of a network.
class Activations {
 public:
  explicit Activations(const Settings& settings);
  static void declare(Options& options);

  bool any() const { return bits_ > 0; }
  /// Names of the ReLUs that are quantized: all but the first (the stem's) and excluded ones.
  std::vector<std::string> layers(const Network& network) const;
  bool learns_clips() const { return clip_ == Clip::pact; }
  bool keeps_ranges() const { return options_.running; }

  /// Chooses the layers. Clips and ranges go on from what an earlier stage left.
  void attach(const StageInfo& stage);
  std::vector<TrainedTensor> trained() const;
  Variable quantize(Forward& forward, const Layer& layer, const Variable& y);

  std::vector<double> clips() const;   ///< A, by layer
  std::vector<double> ranges() const;  ///< S, by layer; NaN: not known yet
  void leave(HandedOver& numbers) const;
  void visit(StateVisitor& visitor);

 private:
  enum class Clip { none, relu6, pact };
  struct One {
    std::string layer;
    Tensor clip;  ///< undefined: none
    std::shared_ptr<RunningRange> range;
  };

  int bits_ = 0;  ///< 0: activations stay float
  Clip clip_ = Clip::none;
  double first_clip_ = 10;
  bool with_stem_ = false;
  std::vector<std::string> exclude_;
  Place where_;
  ActivationOptions options_;
  std::vector<One> all_;
};

}  // namespace bitwright::bsq
