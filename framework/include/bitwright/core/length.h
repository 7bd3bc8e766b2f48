#pragma once
// Lengths of training as people write them: 4000 (steps), 30 epochs, 25 % of a stage.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bitwright {

/// A stretch of training, in steps (updates), and the steps of one epoch in it: what lengths in
/// epochs and in percent are measured by.
struct Horizon {
  std::int64_t steps = 0;
  std::int64_t steps_per_epoch = 1;
};

struct Length {
  enum class Unit { steps, epochs, percent };
  double amount = 0;
  Unit unit = Unit::steps;

  /// "4000", "4000 steps", "1 epoch", "2.5 epochs", "25 %", "25%"; steps are whole numbers. Nothing
  /// for any other text. The amount may be negative: ranges are the option's business.
  static std::optional<Length> parse(std::string_view text);
  std::string str() const;  ///< "4000", "2.5 epochs", "25 %"

  /// In steps, rounded to the nearest whole number, halves up; at least 1 unless the amount is 0.
  std::int64_t steps(const Horizon& horizon) const;

  bool operator==(const Length&) const = default;
};

}  // namespace bitwright
