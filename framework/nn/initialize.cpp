#include <cmath>

#include <bitwright/core/rng.h>
#include <bitwright/nn/network.h>

namespace bitwright {

void xavier_uniform(Tensor& tensor, double fan_in, double fan_out, std::uint64_t seed,
                    std::string_view name) {
  const double bound = std::sqrt(6.0 / (fan_in + fan_out));
  const Rng rng(seed, "init", hash_name(name));
  float* values = tensor.f32();
  for (std::int64_t i = 0; i < tensor.numel(); ++i)
    values[i] = static_cast<float>(rng.uniform(static_cast<std::uint64_t>(i), -bound, bound));
}

void normal(Tensor& tensor, double standard_deviation, std::uint64_t seed, std::string_view name) {
  const Rng rng(seed, "init", hash_name(name));
  float* values = tensor.f32();
  for (std::int64_t i = 0; i < tensor.numel(); ++i)
    values[i] = static_cast<float>(standard_deviation * rng.normal(static_cast<std::uint64_t>(i)));
}

void initialize(Network& network, std::uint64_t seed) {
  for (Parameter& p : network.parameters()) {
    switch (p.kind) {
      case ParameterKind::conv_weight:
      case ParameterKind::linear_weight:
        xavier_uniform(p.value, static_cast<double>(p.fan_in), static_cast<double>(p.fan_out), seed,
                       p.name);
        break;
      case ParameterKind::bias:
        normal(p.value, 0.1, seed, p.name);
        break;
      case ParameterKind::norm_scale:
        p.value.fill(1);
        break;
      case ParameterKind::norm_shift:
        p.value.fill(0);
        break;
    }
  }
  for (Buffer& b : network.buffers())
    b.value.fill(b.name.ends_with("running_variance") ? 1.f : 0.f);
}

}  // namespace bitwright
