#pragma once

#include <map>
#include <string>

#include <yaml-cpp/yaml.h>

#include <bitwright/core/registry.h>

namespace bitwright {

/// Validates a YAML tree against declared options.
class Resolver {
 public:
  /// `overridden`: paths that the command line wrote.
  Resolver(std::string file, const Registries& registries,
           std::map<std::string, std::string> overridden)
      : file_(std::move(file)), registries_(registries), overridden_(std::move(overridden)) {}

  Settings mapping(const YAML::Node& node, const Options& options, const std::string& path) const;

 private:
  Place place(const YAML::Node& node, const std::string& path) const;
  void refuse_unknown(const YAML::Node& node, const std::vector<const Option*>& known,
                      const std::string& path) const;
  void fill(Settings& settings, const YAML::Node& node, const std::vector<const Option*>& options,
            const std::string& path) const;
  void resolve(Settings& settings, const Option& option, const YAML::Node& node,
               const std::string& path) const;
  void absent(Settings& settings, const Option& option, const Place& mapping,
              const std::string& path) const;
  Settings component(const YAML::Node& node, const Option& option, const std::string& path) const;
  OptionValue value(const YAML::Node& node, const Option& option, const std::string& path) const;
  template <class T>
  std::vector<T> list(const YAML::Node& node, const Option& option, const std::string& path) const;

  std::string file_;
  const Registries& registries_;
  std::map<std::string, std::string> overridden_;
};

}  // namespace bitwright
