#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/commands.h"

namespace bitwright {

int list(const Registries& registries, const std::string& kind, bool json) {
  const RegistryBase* const registry = registries.find(kind);
  if (registry == nullptr) {
    const std::string near = nearest_name(kind, Registries::kinds());
    throw config_error(Place{"command line"}, fmt::format("there are no '{}' to list", kind),
                       near.empty() ? fmt::format("one of {}", fmt::join(Registries::kinds(), ", "))
                                    : fmt::format("did you mean '{}'?", near));
  }
  if (json) {
    auto all = nlohmann::json::array();
    for (const std::string& name : registry->names()) {
      const ComponentInfo& info = *registry->find(name);
      all.push_back({{"name", name}, {"summary", info.summary}, {"source", info.source}});
    }
    fmt::print("{}\n", all.dump(2));
    return 0;
  }
  std::size_t width = 0;
  for (const std::string& name : registry->names()) width = std::max(width, name.size());
  for (const std::string& name : registry->names()) {
    const ComponentInfo& info = *registry->find(name);
    fmt::print("{:<{}}  {}{}\n", name, width, info.summary,
               info.source.empty() ? "" : " (" + info.source + ")");
  }
  return 0;
}

}  // namespace bitwright
