#pragma once

#include <string>

#include <yaml-cpp/yaml.h>

#include <bitwright/core/registry.h>

#include "experiment/overrides.h"

namespace bitwright {

/// Validates a YAML tree against declared options.
class Resolver {
 public:
  Resolver(std::string file, const Registries& registries, OverrideRecord overrides)
      : file_(std::move(file)), registries_(registries), overrides_(std::move(overrides)) {}

  Settings mapping(const YAML::Node& node, const Options& options, const std::string& path) const;

 private:
  bool overridden(const std::string& path) const;
  Place place_of_mark(const YAML::Mark& mark) const;
  Place place(const YAML::Node& node, const std::string& path) const;
  Place place_of_key(const YAML::Node& key, const std::string& mapping) const;
  Place place_of_wrong(const YAML::Node& node, const std::string& path) const;
  void refuse_unknown(const YAML::Node& node, const std::vector<const Option*>& known,
                      const std::string& path) const;
  void refuse_null(const YAML::Node& node, const Option& option, const std::string& path) const;
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
  OverrideRecord overrides_;
};

}  // namespace bitwright
