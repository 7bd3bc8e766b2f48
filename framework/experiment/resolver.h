#pragma once

#include <string>
#include <vector>

#include <bitwright/core/registry.h>

#include "experiment/config_node.h"

namespace bitwright {

/// Validates a configuration against declared options.
class Resolver {
 public:
  /// `fragment`: what is missing may come from elsewhere, so nothing that is missing is wrong.
  explicit Resolver(const Registries& registries, bool fragment = false)
      : registries_(registries), fragment_(fragment) {}

  /// Throws Problems with all that is wrong, in the order of the file. An option that is missing
  /// because its key is mistyped is not reported beside the mistyped key.
  /// Keys of the whole mapping that were `used_up` before are known to those who mistype them.
  Settings mapping(const ConfigNode& node, const Options& options, const Options& used_up = {});

 private:
  using Known = std::vector<const Option*>;

  Settings mapping(const ConfigNode& node, const Options& options, const std::string& path);
  void refuse_unknown(const ConfigNode& node, const Known& known, const std::string& path);
  void fill(Settings& settings, const ConfigNode& node, const Known& options,
            const std::string& path);
  void absent(Settings& settings, const Option& option, const std::string& path);
  void missing(const Settings& settings, const Option& option, const std::string& path);
  void resolve(Settings& settings, const Option& option, const ConfigNode& node,
               const std::string& path);
  void resolve_list(Settings& settings, const Option& option, const ConfigNode& node,
                    const std::string& path);
  Settings component(const ConfigNode& node, const Option& option, const std::string& path);
  Settings nameless(const ConfigNode& node, const Option& option, const std::string& path);

  const Registries& registries_;
  const bool fragment_;
  const ConfigNode* root_ = nullptr;
  Known used_up_;
  std::vector<Error> problems_;  // beside those about missing options
  std::vector<Error> missing_;
};

}  // namespace bitwright
