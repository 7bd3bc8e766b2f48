#pragma once
// Means, spreads and paired comparisons of a few runs.

#include <optional>
#include <span>

namespace bitwright::results {

struct Summary {
  std::size_t n = 0;
  double mean = 0;
  std::optional<double> sd;  ///< with n - 1; none for n = 1
};

/// Of at least one value.
Summary summarize(std::span<const double> values);

/// Of differences a_i - b_i between runs that share seed i.
struct PairedTest {
  Summary difference;
  /// Two-sided p-value of Student's t with n - 1 degrees of freedom; none below n = 3. 0 where all
  /// differences are equal and not 0, 1 where all are 0.
  std::optional<double> p;
};

/// Both lists have one value per pair, at least one.
PairedTest paired_t_test(std::span<const double> a, std::span<const double> b);

}  // namespace bitwright::results
