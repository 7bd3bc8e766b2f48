#pragma once
// What a configuration says that is valid and yet hardly meant.

#include <string>
#include <vector>

#include <bitwright/core/registry.h>
#include <bitwright/nn/network.h>

namespace bitwright {

/// A kind of finding, as `allow:` names it.
struct Lint {
  std::string name;
  bool error = false;  ///< else a warning
  std::string reason;  ///< why it is looked for
};
const std::vector<Lint>& lints();

struct Finding {
  const Lint* lint = nullptr;
  Place place;
  std::string what;
  /// "FILE:LINE:COL: warning: what; reason; allow it with allow: [NAME]"
  std::string line() const;
};

/// Looks at an experiment that is valid, with the network that it builds; reads no data. Findings
/// that `allow` names are left out. Throws a configuration error for a name that no lint has.
/// Lengths in epochs are looked at only where the data set knows its size without reading.
std::vector<Finding> lint(const Registries& registries, const Settings& config, Network& network);

}  // namespace bitwright
