#pragma once

#include <string>

namespace bitwright::kernels {

std::string onednn_version();
/// The widest instruction set that oneDNN uses here, as it calls it.
std::string instruction_set();
/// The algorithms that kernels use; a fixed rule, never a choice made by timing.
std::string algorithms();

}  // namespace bitwright::kernels
