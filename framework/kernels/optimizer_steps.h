#pragma once
// Optimizer updates, one pass over memory each.

#include <cstdint>

namespace bitwright::kernels {

struct AdamStep {
  float learning_rate, beta1, beta2, epsilon, weight_decay;
  float correction1, correction2;  ///< 1 - beta^t
};

/// Adam (Kingma and Ba 2015, algorithm 1); weight decay enters as an L2 term of the gradient.
void adam_step(std::int64_t n, const AdamStep& step, const float* gradient, float* value,
               float* first_moment, float* second_moment);

struct SgdStep {
  float learning_rate, momentum, weight_decay;
  bool nesterov;
};

/// velocity <- momentum * velocity + g; value <- value - rate * velocity (Nesterov:
/// g + momentum * velocity). Weight decay enters as an L2 term of the gradient.
void sgd_step(std::int64_t n, const SgdStep& step, const float* gradient, float* value,
              float* velocity);

}  // namespace bitwright::kernels
