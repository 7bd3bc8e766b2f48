#include <cmath>

#include <bitwright/core/rng.h>
#include <bitwright/nn/network.h>

namespace bitwright {

namespace {

void draw(Tensor& tensor, std::uint64_t seed, std::string_view name, auto&& value) {
  const Rng rng(seed, "init", hash_name(name));
  float* values = tensor.f32();
  for (std::int64_t i = 0; i < tensor.numel(); ++i)
    values[i] = static_cast<float>(value(rng, static_cast<std::uint64_t>(i)));
}

void xavier(Parameter& p, std::uint64_t seed) {
  if (p.kind == ParameterKind::bias) return normal(p.value, 0.1, seed, p.name);
  xavier_uniform(p.value, static_cast<double>(p.fan_in), static_cast<double>(p.fan_out), seed,
                 p.name);
}

void kaiming(Parameter& p, std::uint64_t seed) {
  if (p.kind == ParameterKind::bias) {
    p.value.fill(0);
  } else if (p.kind == ParameterKind::conv_weight) {
    normal(p.value, std::sqrt(2 / static_cast<double>(p.fan_out)), seed, p.name);
  } else {
    uniform(p.value, 1 / std::sqrt(static_cast<double>(p.fan_in)), seed, p.name);
  }
}

}  // namespace

void xavier_uniform(Tensor& tensor, double fan_in, double fan_out, std::uint64_t seed,
                    std::string_view name) {
  uniform(tensor, std::sqrt(6.0 / (fan_in + fan_out)), seed, name);
}

void uniform(Tensor& tensor, double bound, std::uint64_t seed, std::string_view name) {
  draw(tensor, seed, name,
       [&](const Rng& rng, std::uint64_t i) { return rng.uniform(i, -bound, bound); });
}

void normal(Tensor& tensor, double standard_deviation, std::uint64_t seed, std::string_view name) {
  draw(tensor, seed, name,
       [&](const Rng& rng, std::uint64_t i) { return standard_deviation * rng.normal(i); });
}

void initialize(Network& network, std::uint64_t seed) {
  for (Parameter& p : network.parameters()) {
    if (p.kind == ParameterKind::norm_scale) {
      p.value.fill(1);
    } else if (p.kind == ParameterKind::norm_shift) {
      p.value.fill(0);
    } else if (network.initialization() == Initialization::xavier) {
      xavier(p, seed);
    } else {
      kaiming(p, seed);
    }
  }
  for (Buffer& b : network.buffers())
    b.value.fill(b.name.ends_with("running_variance") ? 1.f : 0.f);
}

}  // namespace bitwright
