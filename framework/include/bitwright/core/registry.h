#pragma once
// Named components: methods, networks, data sets, optimizers and schedules all register the same
// way. A plugin's entry point receives the Registries and adds to them.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bitwright/core/options.h>

namespace bitwright {

/// What `list` and `describe` print about a component.
struct ComponentInfo {
  std::string name;
  std::string summary;  ///< one line
  std::string source;   ///< paper, "arXiv:1812.04353", or empty
  Options options;
  std::string implied_by = {};  ///< a key that selects this entry where no `name` is given
};

/// A registry's untyped face: enough to validate a configuration and to describe it.
class RegistryBase {
 public:
  virtual ~RegistryBase() = default;
  const ComponentInfo* find(std::string_view name) const;
  std::vector<std::string> names() const;  ///< sorted

 protected:
  void add_info(ComponentInfo info);  ///< throws std::logic_error for a name taken

 private:
  std::map<std::string, ComponentInfo, std::less<>> infos_;
};

/// Components that are made by a function of their validated settings and further arguments.
template <class Product, class... Args>
class Registry : public RegistryBase {
 public:
  using Factory = std::function<std::unique_ptr<Product>(const Settings&, Args...)>;

  void add(ComponentInfo info, Factory factory) {
    const std::string name = info.name;
    add_info(std::move(info));  // refuses a name that is taken
    factories_[name] = std::move(factory);
  }
  std::unique_ptr<Product> make(const Settings& settings, Args... args) const {
    const auto at = factories_.find(settings.name());
    require(at != factories_.end(), "component '" + settings.name() + "' is not registered");
    return at->second(settings, std::forward<Args>(args)...);
  }

 private:
  std::map<std::string, Factory, std::less<>> factories_;
};

class Method;
class Network;
class Dataset;
class Augmentation;
class Optimizer;
class Schedule;
class Quantizer;
class LayerPart;
struct DataRoot;
struct InputSpec;

/// All registries of the program. `kinds` names them as the command line does.
struct Registries {
  Registry<Method> methods;
  Registry<Network, const InputSpec&> networks;
  Registry<Dataset, const DataRoot&> datasets;
  Registry<Augmentation, const InputSpec&> augmentations;
  Registry<Optimizer> optimizers;
  Registry<Schedule> schedules;
  Registry<Quantizer> quantizers;
  Registry<LayerPart> layers;  ///< what networks in YAML are made of

  Registries() = default;
  Registries(const Registries&) = delete;  // entries made of other entries refer to it

  /// The registry of a kind; null for a name that is not in kinds().
  const RegistryBase* find(std::string_view kind) const;
  static const std::vector<std::string>& kinds();
};

}  // namespace bitwright
