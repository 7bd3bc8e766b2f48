#pragma once
// Options as pages for people: generated, so that they are never out of date.

#include <string>

#include <bitwright/core/registry.h>

namespace bitwright {

/// The page of everything in `registries`, which holds what one folder registers.
std::string option_page(const Registries& registries, const std::string& folder);

/// The page of experiment files: every key, profiles, composition, lints.
std::string experiment_page();

}  // namespace bitwright
