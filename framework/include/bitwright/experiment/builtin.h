#pragma once

#include <string>
#include <vector>

namespace bitwright {

struct Registries;

void register_networks(Registries& registries);       ///< framework/nn
void register_optimizers(Registries& registries);     ///< framework/optim: optimizers and schedules
void register_augmentations(Registries& registries);  ///< framework/data
void register_quantizers(Registries& registries);     ///< framework/quant

/// A folder of the source tree and what it registers.
struct BuiltinFolder {
  std::string path;
  void (*add)(Registries&) = nullptr;
};
/// The four above and all folders of methods/ and datasets/.
const std::vector<BuiltinFolder>& builtin_folders();

/// Everything that ships with the program.
void register_builtin_components(Registries& registries);

}  // namespace bitwright
