#pragma once
// Which part of the line a quantizer covers, chosen from the numbers that it shall quantize.

#include <functional>
#include <span>
#include <string>
#include <vector>

#include <bitwright/core/options.h>
#include <bitwright/quant/levels.h>

namespace bitwright {

/// What is known about numbers that are to be quantized: a tensor, or what calibration batches
/// showed of an activation.
struct Observed {
  std::span<const float> values;  ///< all of them, or an even sample; not empty
  double low = 0, high = 0;       ///< extremes of all of them
  std::vector<double> batch_low = {}, batch_high = {};  ///< extremes of each batch, in order

  static Observed all_of(std::span<const float> x);
};

/// What levels are clipped to. `threshold`: of ternary levels, below which they are 0.
struct Range {
  double low = 0, high = 0;
  double threshold = 0;
};

/// Observers of ranges by name.
///   min_max     all numbers
///   percentile  the share `percentile` of them; what is left out lies at both ends, or where no
///               number is negative at the upper one
///   mse         least mean squared error of these levels
///   lp          least mean |error|^p of these levels (LAPQ, arXiv:1911.07190, section 4)
///   ema         extremes averaged over calibration batches: e <- decay e + (1 - decay) batch,
///               from the first batch's
struct RangeRule {
  std::string name = "mse";
  double percentile = 99.9;
  double p = 2;
  double decay = 0.9;
};

/// Declares range, percentile, p and decay, and reads them back.
Options& declare_range(Options& options);
RangeRule range_rule(const Settings& settings);

/// The range of `x` by a rule; with `symmetric`, low = -high. `levels` gives the levels of a range,
/// for rules that look for the least error: among scaled extremes, to 1e-4 of them.
Range find_range(const RangeRule& rule, const Observed& x, bool symmetric,
                 const std::function<Levels(const Range&)>& levels);

}  // namespace bitwright
