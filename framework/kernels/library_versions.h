#pragma once

#include <string>

namespace bitwright::kernels {

std::string onednn_version();
/// The widest instruction set that oneDNN uses here, as it calls it.
std::string instruction_set();

}  // namespace bitwright::kernels
