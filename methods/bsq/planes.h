#pragma once
// A tensor as bit planes, section 3 of the paper: numbers in, numbers out.
//
// An n-bit tensor of N elements has planes P_b and M_b, b = 0 (least significant) .. n - 1, of
// elements in [0, 2], and a scale s. With L = 2^n - 1 and z = sum_b (P_b - M_b) 2^b its values are
//   W = (s / L) clamp(round(z), -L, L)                      (sign and magnitude: 2 L + 1 values)
// The planes of one sign lie behind each other in storage for `capacity` of them; those above n are
// zero.

#include <cstdint>
#include <span>
#include <vector>

namespace bitwright::bsq {

inline constexpr int kMostBits = 16;

/// 2^n - 1, the largest magnitude in n bits.
constexpr std::int32_t levels(int bits) { return (std::int32_t{1} << bits) - 1; }
/// Width and scale of a tensor.
struct Precision {
  int bits = 0;
  float scale = 1;
};
/// s / (2^n - 1), by which codes become weights; n = 0: 0.
float step_of(const Precision& p);

/// All planes of a tensor; `elements` numbers each, plane b at b * elements.
struct ConstPlanes {
  const float *positive, *negative;
  std::int64_t elements;
};
struct Planes {
  float *positive, *negative;
  std::int64_t elements;
  operator ConstPlanes() const { return {positive, negative, elements}; }
};

/// Scratch of the passes below that sum over elements; keeps its memory between calls.
using Partials = std::vector<double>;

/// The scale of a conversion: max |W|, or 1 for an all-zero tensor.
float scale_of(std::span<const float> w);
/// Planes of 0 and 1 of R = round(|W| L / s) (3.2). All `capacity` planes are written.
void write_planes(std::span<const float> w, Precision p, int capacity, Planes out);

/// 3.3: the weight of a training step, and of each plane b < n the sum of P^2 + M^2 over its
/// elements.
void weigh(ConstPlanes planes, Precision p, std::span<float> w, Partials& scratch,
           std::span<double> squares);

/// What reaches the planes: the task's gradient G = dL/dW, straight through round and clamp, and of
/// the lasso pull_b = dL/d||[P_b; M_b]|| / ||[P_b; M_b]||:
///   dP_b = s 2^b / L G + pull_b P_b,   dM_b = -s 2^b / L G + pull_b M_b.
/// Planes from n to `capacity` get zeros. Returns sum(W G), which is s dL/ds.
double pull_back(ConstPlanes planes, Precision p, std::span<const float> w,
                 std::span<const float> g, std::span<const double> pull, int capacity,
                 Planes gradients);

/// Clips planes b < n to [0, 2], after every update.
void clip(Planes planes, int bits);
/// Clips every number to [low, high].
void clip(std::span<float> values, float low, float high);

/// 3.6, what re-quantization and precision adjustment make of a tensor.
struct Adjustment {
  int bits = 0;       ///< the new n
  double scale = 1;   ///< the new s
  int dropped = 0;    ///< empty planes that left at the low end: codes are divided by 2^dropped
  std::int32_t most;  ///< largest magnitude of a code before that: what exceeds it is clipped
};
/// `used` is the bitwise or of all magnitudes |round(z)|, each at most 2^(n + 1) - 1. A width below
/// `cap` grows by the one bit that they may need; at the cap they are clipped. No width is below 1.
Adjustment adjust(int bits, double scale, int cap, std::uint32_t used);

/// What a tensor would be re-quantized to at this moment.
struct Snapshot {
  Precision precision;  ///< n and s afterwards
  Adjustment adjustment;
  std::int64_t nonzero_bits = 0;  ///< ones in the binary forms of all magnitudes
  bool empty = false;             ///< every code is 0
  std::vector<double> squares;    ///< of the planes as they are: sums of P^2 + M^2
};
Snapshot look_at(ConstPlanes planes, Precision p, int cap);

/// The signed codes that a snapshot speaks of.
void write_codes(ConstPlanes planes, int bits, const Adjustment& a, std::span<std::int32_t> codes);
/// step_of(snapshot.precision) times those codes.
void write_weights(ConstPlanes planes, int bits, const Snapshot& snapshot, std::span<float> w);
/// Carries a snapshot out: planes of 0 and 1, of which those from the new n on are zero.
void requantize(Planes planes, int bits, const Snapshot& snapshot, int capacity);

/// 3.7: Q_n(x) = round(clamp(x, -1, 1) L) / L as the code round(clamp(x, -1, 1) L); n = 0: 0.
std::int32_t code_of(float x, int bits);
/// W = step code_of(x).
void quantize(std::span<const float> x, Precision p, std::span<float> w);
/// dx = s G (n = 0: 0); returns sum(W G) = s dL/ds.
double quantize_backward(Precision p, std::span<const float> w, std::span<const float> g,
                         std::span<float> dx);

}  // namespace bitwright::bsq
