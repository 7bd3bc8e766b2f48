#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <bitwright/quant/selection.h>

namespace bitwright {

ParameterSelection::ParameterSelection(const Settings& settings, std::string_view option)
    : patterns_(settings.texts(option)),
      where_(settings.where(option)),
      given_(where_.file != "default") {}

void ParameterSelection::check(const Network& network) const {
  const auto& parameters = network.parameters();
  for (const std::string& pattern : patterns_) {
    const bool used = std::ranges::any_of(
        parameters, [&](const Parameter& p) { return glob_match(pattern, p.name); });
    if (used || !given_) continue;
    std::string names;
    for (const Parameter& p : parameters) names += (names.empty() ? "" : ", ") + p.name;
    throw config_error(where_, fmt::format("pattern '{}' matches no parameter", pattern),
                       "a pattern for one of " + names);
  }
  if (std::ranges::none_of(parameters, [&](const Parameter& p) { return selects(p); }))
    throw config_error(where_, "every parameter is excluded", "at least one parameter to quantize");
}

bool ParameterSelection::selects(const Parameter& parameter) const {
  return std::ranges::none_of(
      patterns_, [&](const std::string& pattern) { return glob_match(pattern, parameter.name); });
}

Options& ParameterSelection::declare(Options& options, std::vector<std::string> fallback,
                                     std::string_view why) {
  return options.texts(
      "exclude", std::move(fallback),
      fmt::format("name patterns (* and ?) of parameters that stay float; {}", why));
}

}  // namespace bitwright
