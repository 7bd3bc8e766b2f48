#pragma once
// L_K, the term that KURE adds to the loss (Shkolnik et al., NeurIPS 2020, section 3).

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <bitwright/autograd/variable.h>
#include <bitwright/quant/moments.h>

namespace bitwright::kure {

/// How the layers' terms T_l = (Kurt(W_l) - K_T)^2 become one: their mean (the paper), their sum,
/// or the largest of them.
enum class Mode { avg, sum, max };

struct TermOptions {
  Mode mode = Mode::avg;
  double target = 1.8;  ///< K_T
  double lambda = 1;
  int ddof = 1;  ///< of the standard deviation in Kurt
};

/// lambda L_K of the kurtoses of all layers.
double term_value(const TermOptions& options, std::span<const double> kurtosis);
/// d (lambda L_K) / d Kurt(W_l). Of equal largest terms the first takes the gradient.
double term_slope(const TermOptions& options, std::span<const double> kurtosis, std::size_t l);

/// Records lambda L_K of some f32 tensors: a scalar. One pass over each tensor forward, one
/// backward. `kurtosis` holds Kurt(W_l) after each forward.
Variable kurtosis_term(const TermOptions& options, std::span<const Variable> weights,
                       std::shared_ptr<std::vector<double>> kurtosis);

}  // namespace bitwright::kure
