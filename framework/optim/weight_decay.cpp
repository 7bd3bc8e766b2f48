#include "optim/weight_decay.h"

#include <algorithm>

#include <fmt/format.h>

#include <bitwright/core/glob.h>
#include <bitwright/nn/network.h>

namespace bitwright {

static std::vector<std::string> parameter_kinds() {
  std::vector<std::string> all;
  for (int i = 0; name_of(ParameterKind(i)) != "unknown"; ++i)
    all.emplace_back(name_of(ParameterKind(i)));
  return all;
}

static bool fits(const std::string& pattern, const Optimized& tensor) {
  return glob_match(pattern, tensor.parameter) || pattern == tensor.kind;
}

WeightDecay::WeightDecay(const Settings& s)
    : rate_(s.real("weight_decay")),
      excluded_(s.texts("weight_decay_exclude")),
      where_(s.where("weight_decay_exclude")) {}

double WeightDecay::of(const Optimized& tensor) const {
  const bool excluded = std::ranges::any_of(
      excluded_, [&](const std::string& pattern) { return fits(pattern, tensor); });
  return excluded ? 0 : rate_;
}

void WeightDecay::check(const std::vector<Optimized>& tensors) const {
  const auto kinds = parameter_kinds();
  for (const std::string& pattern : excluded_) {
    if (std::ranges::count(kinds, pattern) > 0) continue;
    if (std::ranges::any_of(tensors, [&](const Optimized& t) { return fits(pattern, t); }))
      continue;
    std::string names;
    for (const Optimized& t : tensors) names += (names.empty() ? "" : ", ") + t.parameter;
    throw config_error(
        where_, fmt::format("pattern '{}' matches no parameter", pattern),
        fmt::format("a kind ({}) or a pattern for one of {}", fmt::join(kinds, ", "), names),
        "correct or remove it");
  }
}

void WeightDecay::declare(Options& options, double fallback, const std::string& doc) {
  options.real("weight_decay", fallback, doc).symbol("lambda").min(0);
  options.texts("weight_decay_exclude", {},
                fmt::format("parameters without decay: name patterns (* and ?), such as \"bn*\" or "
                            "fc.bias, or kinds ({})",
                            fmt::join(parameter_kinds(), ", ")));
}

}  // namespace bitwright
