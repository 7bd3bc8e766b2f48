#pragma once

#include <string>

#include <bitwright/core/registry.h>

namespace bitwright {

/// A JSON schema (draft 7) of experiment and table files, for editors that complete and check YAML.
/// Of files that extend others, or are fragments, nothing is required.
std::string json_schema(const Registries& registries);

}  // namespace bitwright
