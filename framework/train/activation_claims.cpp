#include "train/activation_claims.h"

#include <fmt/format.h>

#include <bitwright/core/error.h>
#include <bitwright/train/method.h>

namespace bitwright {

static std::string text(const std::pair<ActivationClaims::Side, std::string>& place) {
  return fmt::format("the {} of layer '{}'",
                     place.first == ActivationClaims::Side::input ? "input" : "output",
                     place.second);
}

void ActivationClaims::claim(const Method& method, const Layer& layer, Side side) {
  if (!method.quantizes_activations()) return;
  const Place here{side, layer.name()};
  for (const auto& [place, owner] : owners_) {
    if (owner == &method) continue;
    if (place == here) refuse(*owner, method, text(here));
    if (place.first != side)
      refuse(*owner, method, fmt::format("activations ({}, {})", text(place), text(here)));
  }
  owners_[here] = &method;
}

void ActivationClaims::refuse(const Method& first, const Method& second, const std::string& where) {
  throw config_error(
      {}, fmt::format("methods '{}' and '{}' both quantize {}", first.name(), second.name(), where),
      "one quantizer for an activation",
      "let one of them leave activations as they are (activation_bits: 32), or "
      "give them different layers");
}

}  // namespace bitwright
