#pragma once
// Optimizer updates, one pass over memory each.

#include <cstdint>

namespace bitwright::kernels {

/// How weight decay enters. l2: weight_decay * value is added to the gradient. decoupled: value is
/// multiplied by 1 - learning_rate * weight_decay first (Loshchilov and Hutter 2019).
enum class Decay { l2, decoupled };

// Numbers are double: what is derived from them, such as 1 - beta2, keeps its digits and is rounded
// to float once, before the loop.
struct AdamStep {
  double learning_rate, beta1, beta2, epsilon, weight_decay;
  double correction1, correction2;  ///< 1 - beta^t
  Decay decay = Decay::l2;
};

/// Adam (Kingma and Ba 2015, algorithm 1).
void adam_step(std::int64_t n, const AdamStep& step, const float* gradient, float* value,
               float* first_moment, float* second_moment);

struct SgdStep {
  double learning_rate, momentum, dampening, weight_decay;
  bool nesterov;
  Decay decay = Decay::l2;
};

/// velocity <- momentum * velocity + (1 - dampening) * g; value <- value - rate * velocity
/// (Nesterov: g + momentum * velocity).
void sgd_step(std::int64_t n, const SgdStep& step, const float* gradient, float* value,
              float* velocity);
/// The same without momentum: value <- value - rate * g.
void sgd_step(std::int64_t n, const SgdStep& step, const float* gradient, float* value);

/// average <- average + share * (value - average)
void average_step(std::int64_t n, float share, const float* value, float* average);
/// Each takes the other's contents.
void exchange(std::int64_t n, float* a, float* b);

}  // namespace bitwright::kernels
