#pragma once
// Checks an op's forward against a plain double version and its backward against central finite
// differences, and proves that the check notices a wrong backward.

#include <functional>
#include <string>
#include <vector>

#include <bitwright/autograd/ops.h>

#include "naive.h"

namespace bitwright::gradient_check {

using naive::Array;

// Analytic and numeric gradients are compared by relative L2 distance. Numeric ones are five-point
// differences, (8 (f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))) / 12h, of a loss summed in double. The
// forward pass is fp32, so their error has two parts:
//   truncation  h^4 / 30 |f'''''| : 5e-7 of the gradient at the usual h = 1/16 and |f'''''| ~ |f'|;
//   rounding    about 6e-8 |y| / h per output: 1e-6 |y|, some 1e-5 of a typical gradient.
// x, x +- h and x +- 2h are exact in fp32 (small multiples of powers of two). The largest distance
// of a right gradient in this suite is 5e-5 and must stay below kMargin, while a factor of 1.01
// moves it to 1e-2. The tolerance lies between: ten times the margin, a fifth of that error.
inline constexpr double kTolerance = 2e-3;
inline constexpr double kMargin = kTolerance / 10;  ///< what right gradients keep to

/// What a formula may use: the inputs and the gradient of the output, row-major, in double.
struct Sample {
  std::vector<Array> inputs;
  Array dy;
};
using Formula = std::function<Array(const Sample&)>;

struct Input {
  Tensor value;
  bool wants_gradient = true;
};

/// A part of an input's gradient that a wrong backward might forget; without a formula, all of it.
struct Term {
  std::string name;
  std::size_t input = 0;
  Formula formula;
};

struct Case {
  std::string op = {};     ///< as declared in ops.h
  std::string shape = {};  ///< what is special about this case
  std::vector<Input> inputs = {};
  std::function<Variable(const std::vector<Variable>& inputs)> build = {};
  Formula forward = {};
  std::vector<Term> terms = {};
  double step = 1.0 / 16;
  /// Straight-through estimators: the stated gradient of the first input, instead of differences.
  Formula surrogate = {};
};

/// Leaves with random values; the caller numbers them.
inline Input random_input(std::uint64_t number, const Shape& shape, Layout layout = Layout::plain,
                          double low = -2, double high = 2) {
  return {naive::to_tensor(naive::random(Rng(number, "gradient"), shape, low, high), layout)};
}
inline Input constant(Input input) {
  input.wants_gradient = false;
  return input;
}
inline Variable optional(const std::vector<Variable>& in, std::size_t i) {
  return i < in.size() ? in[i] : Variable();
}

/// The same case with all floating inputs cast to bf16 and the result cast back. The gradient must
/// be that of the f32 op, which has a case of its own, at the rounded inputs and rounded to bf16.
/// For ops that compute in float and round at the end, and cases with one gradient wanted.
Case in_bf16(const Case& c);

/// Values of some order, all of them further apart than two steps of 1/64: no ties, no crossing.
Tensor distinct_values(const Shape& shape, Layout layout = Layout::plain);

std::vector<Case> layer_cases();
std::vector<Case> normalization_cases();  ///< and reshaping
std::vector<Case> pooling_cases();
std::vector<Case> elementwise_cases();
std::vector<Case> activation_cases();
std::vector<Case> broadcast_cases();
std::vector<Case> reduction_cases();  ///< and values used several times
std::vector<Case> loss_cases();
std::vector<Case> shape_cases();  ///< and dropout
std::vector<Case> indexing_cases();

/// Forward values and gradients of all cases are right.
void check_gradients(const std::vector<Case>& cases);
/// For every case, recorded op and input: scaled by 1.01 or 0.99, left out, and each term left
/// out, the gradient fails the check. Terms that vanish in one case must matter in another.
void check_mutations(const std::vector<Case>& cases);

}  // namespace bitwright::gradient_check
