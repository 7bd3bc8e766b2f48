#pragma once
// Budgets: shorter versions of an experiment, by name.

#include <string>

#include <bitwright/core/registry.h>

#include "experiment/config.h"

namespace bitwright {

/// Changes the tree of a file to the profile called `name` of its list `profiles`. `full` and
/// `smoke` are there without being listed: the experiment as it is, and a few steps on a few
/// embedded glyphs of the data's shape. The name is put behind the experiment's, so that runs with
/// different budgets have directories of their own. Throws configuration errors.
void apply_profile(ConfigFile& file, const std::string& name, const Registries& registries);

}  // namespace bitwright
