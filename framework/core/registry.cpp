#include <bitwright/core/registry.h>

namespace bitwright {

const ComponentInfo* RegistryBase::find(std::string_view name) const {
  const auto at = infos_.find(name);
  return at == infos_.end() ? nullptr : &at->second;
}

std::vector<std::string> RegistryBase::names() const {
  std::vector<std::string> names;
  for (const auto& [name, info] : infos_) names.push_back(name);
  return names;
}

void RegistryBase::add_info(ComponentInfo info) {
  require(!infos_.contains(info.name), "component '" + info.name + "' is registered twice");
  infos_.emplace(info.name, std::move(info));
}

const RegistryBase* Registries::find(std::string_view kind) const {
  if (kind == "methods") return &methods;
  if (kind == "networks") return &networks;
  if (kind == "datasets") return &datasets;
  if (kind == "augmentations") return &augmentations;
  if (kind == "quantizers") return &quantizers;
  if (kind == "optimizers") return &optimizers;
  if (kind == "schedules") return &schedules;
  if (kind == "layers") return &layers;
  return nullptr;
}

const std::vector<std::string>& Registries::kinds() {
  static const std::vector<std::string> all{"methods",       "networks",   "datasets",
                                            "augmentations", "quantizers", "optimizers",
                                            "schedules",     "layers"};
  return all;
}

}  // namespace bitwright
