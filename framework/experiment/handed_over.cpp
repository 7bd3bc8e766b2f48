#include "experiment/handed_over.h"

#include <cmath>

#include <nlohmann/json.hpp>

#include <bitwright/core/error.h>

namespace bitwright {

std::string handed_over_text(const HandedOverByMethod& left) {
  for (const auto& [method, numbers] : left)
    for (const auto& [name, value] : numbers)
      require(std::isfinite(value), method + " leaves a number that is not finite: " + name);
  return nlohmann::json(left).dump();
}

HandedOverByMethod handed_over_from(const std::string& text) {
  return nlohmann::json::parse(text).get<HandedOverByMethod>();
}

}  // namespace bitwright
