#include "train/finite_state.h"

#include <fmt/format.h>

#include "kernels/finite.h"

namespace bitwright {

std::optional<std::string> non_finite_value(const Tensor& tensor) {
  kernels::Finite found = kernels::Finite::all;
  if (!tensor.defined() || !is_floating(tensor.type())) return {};
  for_float_type(tensor.type(), [&]<class T>(T*) {
    found = kernels::check_finite(tensor.numel(), tensor.as<T>());
  });
  if (found == kernels::Finite::all) return {};
  return found == kernels::Finite::nan ? "NaN" : "Inf";
}

// "fc1" of "fc1.weight" and of "fc1.weight:0".
static std::string layer_of(const std::string& parameter) {
  return parameter.substr(0, parameter.rfind('.'));
}

static std::string named(const char* kind, const std::string& name) {
  return fmt::format("{} '{}', layer '{}'", kind, name, layer_of(name));
}

std::optional<NonFinite> non_finite_state(Network& network,
                                          const std::vector<Optimized>& optimized) {
  for (const Optimized& o : optimized)
    if (const auto value = non_finite_value(o.value)) return {{*value, named("weight", o.name)}};
  for (const Buffer& b : network.buffers())
    if (const auto value = non_finite_value(b.value)) return {{*value, named("statistic", b.name)}};
  return {};
}

std::optional<NonFinite> non_finite_gradient(const std::vector<Optimized>& optimized) {
  for (const Optimized& o : optimized)
    if (const auto value = non_finite_value(o.gradient))
      return {{*value, named("gradient of weight", o.name)}};
  return {};
}

}  // namespace bitwright
