#pragma once

namespace bitwright {

struct Registries;

void register_networks(Registries& registries);       ///< framework/nn
void register_optimizers(Registries& registries);     ///< framework/optim: optimizers and schedules
void register_augmentations(Registries& registries);  ///< framework/data

/// Everything that ships with the program: the three above and all folders of methods/ and
/// datasets/.
void register_builtin_components(Registries& registries);

}  // namespace bitwright
