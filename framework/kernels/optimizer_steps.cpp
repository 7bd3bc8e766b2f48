#include "kernels/optimizer_steps.h"

#include <cmath>
#include <type_traits>

#include "kernels/elementwise.h"

namespace bitwright::kernels {
namespace {

// Calls f with a compile-time copy of the condition: its loops are compiled for either case.
template <class F>
void specialize(bool condition, const F& f) {
  condition ? f(std::true_type{}) : f(std::false_type{});
}

float single(double value) { return static_cast<float>(value); }

}  // namespace

void adam_step(std::int64_t n, const AdamStep& s, const float* __restrict gradient,
               float* __restrict value, float* __restrict first_moment,
               float* __restrict second_moment) {
  const float rate = single(s.learning_rate / s.correction1);
  const float root_correction = single(1 / std::sqrt(s.correction2));
  const float beta1 = single(s.beta1), take1 = single(1 - s.beta1);
  const float beta2 = single(s.beta2), take2 = single(1 - s.beta2);
  const float epsilon = single(s.epsilon), decay = single(s.weight_decay);
  const float keep = single(1 - s.learning_rate * s.weight_decay);
  specialize(s.decay == Decay::decoupled, [&](auto decoupled) {
    for_each_element(n, [=](std::int64_t i) {
      const float g = decoupled ? gradient[i] : gradient[i] + decay * value[i];
      const float m = first_moment[i] = beta1 * first_moment[i] + take1 * g;
      const float v = second_moment[i] = beta2 * second_moment[i] + take2 * g * g;
      const float kept = decoupled ? keep * value[i] : value[i];
      value[i] = kept - rate * m / (std::sqrt(v) * root_correction + epsilon);
    });
  });
}

void sgd_step(std::int64_t n, const SgdStep& s, const float* __restrict gradient,
              float* __restrict value, float* __restrict velocity) {
  const float rate = single(s.learning_rate), decay = single(s.weight_decay);
  const float momentum = single(s.momentum), push = single(1 - s.dampening);
  const float keep = single(1 - s.learning_rate * s.weight_decay);
  specialize(s.decay == Decay::decoupled, [&](auto decoupled) {
    specialize(s.nesterov, [&](auto nesterov) {
      for_each_element(n, [=](std::int64_t i) {
        const float g = decoupled ? gradient[i] : gradient[i] + decay * value[i];
        const float v = velocity[i] = momentum * velocity[i] + push * g;
        const float kept = decoupled ? keep * value[i] : value[i];
        value[i] = kept - rate * (nesterov ? g + momentum * v : v);
      });
    });
  });
}

void sgd_step(std::int64_t n, const SgdStep& s, const float* __restrict gradient,
              float* __restrict value) {
  const float rate = single(s.learning_rate), decay = single(s.weight_decay);
  const float keep = single(1 - s.learning_rate * s.weight_decay);
  specialize(s.decay == Decay::decoupled, [&](auto decoupled) {
    for_each_element(n, [=](std::int64_t i) {
      const float g = decoupled ? gradient[i] : gradient[i] + decay * value[i];
      value[i] = (decoupled ? keep * value[i] : value[i]) - rate * g;
    });
  });
}

void average_step(std::int64_t n, float share, const float* __restrict value,
                  float* __restrict average) {
  for_each_element(n, [=](std::int64_t i) { average[i] += share * (value[i] - average[i]); });
}

void exchange(std::int64_t n, float* __restrict a, float* __restrict b) {
  for_each_element(n, [=](std::int64_t i) {
    const float kept = a[i];
    a[i] = b[i];
    b[i] = kept;
  });
}

}  // namespace bitwright::kernels
