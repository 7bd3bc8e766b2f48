#pragma once
// What methods leave to later stages, as a checkpoint keeps it.

#include <string>

#include "train/method_stack.h"

namespace bitwright {

/// {"bsq":{"conv1.weight.bits":3.0}}; every number comes back bit for bit.
std::string handed_over_text(const HandedOverByMethod& left);
HandedOverByMethod handed_over_from(const std::string& text);

}  // namespace bitwright
