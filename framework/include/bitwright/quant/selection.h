#pragma once
// Which parameters a method acts on: all of them, except those whose names match a pattern.

#include <string>
#include <string_view>
#include <vector>

#include <bitwright/core/glob.h>
#include <bitwright/core/options.h>
#include <bitwright/nn/network.h>

namespace bitwright {

/// The parameters that are left after an option such as
///   exclude: [fc3.*, "*.bias"]
class ParameterSelection {
 public:
  /// Selects everything.
  ParameterSelection() = default;
  /// Reads the list of patterns from `option`.
  ParameterSelection(const Settings& settings, std::string_view option);

  /// Refuses (config_error at the option's place) a pattern that matches no parameter, because it
  /// is a typing error; default patterns may match nothing. Also refuses to exclude everything.
  void check(const Network& network) const;
  bool selects(const Parameter& parameter) const;

  /// Declares the option, last in `options`.
  static Options& declare(Options& options, std::vector<std::string> fallback,
                          std::string_view why);

 private:
  std::vector<std::string> patterns_;
  Place where_;
  bool given_ = false;
};

}  // namespace bitwright
