#include "kernels/optimizer_steps.h"

#include <cmath>

#include "kernels/elementwise.h"

namespace bitwright::kernels {

void adam_step(std::int64_t n, const AdamStep& s, const float* __restrict gradient,
               float* __restrict value, float* __restrict first_moment,
               float* __restrict second_moment) {
  const float rate = s.learning_rate / s.correction1;
  const float root_correction = 1.f / std::sqrt(s.correction2);
  const float beta1 = s.beta1, beta2 = s.beta2, epsilon = s.epsilon, decay = s.weight_decay;
  for_each_element(n, [=](std::int64_t i) {
    const float g = gradient[i] + decay * value[i];
    const float m = first_moment[i] = beta1 * first_moment[i] + (1 - beta1) * g;
    const float v = second_moment[i] = beta2 * second_moment[i] + (1 - beta2) * g * g;
    value[i] -= rate * m / (std::sqrt(v) * root_correction + epsilon);
  });
}

void sgd_step(std::int64_t n, const SgdStep& s, const float* __restrict gradient,
              float* __restrict value, float* __restrict velocity) {
  const float rate = s.learning_rate, momentum = s.momentum, decay = s.weight_decay;
  const bool nesterov = s.nesterov;
  for_each_element(n, [=](std::int64_t i) {
    const float g = gradient[i] + decay * value[i];
    const float v = velocity[i] = momentum * velocity[i] + g;
    value[i] -= rate * (nesterov ? g + momentum * v : v);
  });
}

}  // namespace bitwright::kernels
