#pragma once
// Saving and restoring state. A component describes its state once, by visiting it; the same
// function then serves checkpoints, restoring, snapshots of the best network, and comparison.

#include <cstdint>
#include <string>
#include <string_view>

namespace bitwright {

class Tensor;

/// Visits named state. A saving visitor reads what it is given; a loading visitor overwrites it.
/// Names are relative to the current scope; "/" is not allowed in a name.
class StateVisitor {
 public:
  virtual ~StateVisitor() = default;
  virtual void tensor(std::string_view name, Tensor& value) = 0;  ///< shape and type are fixed
  virtual void integer(std::string_view name, std::int64_t& value) = 0;
  virtual void real(std::string_view name, double& value) = 0;
  virtual void text(std::string_view name, std::string& value) = 0;
  virtual void enter(std::string_view scope) = 0;
  virtual void leave() = 0;
};

/// Enters a scope for as long as it lives.
class StateScope {
 public:
  StateScope(StateVisitor& visitor, std::string_view name) : visitor_(visitor) {
    visitor_.enter(name);
  }
  ~StateScope() { visitor_.leave(); }
  StateScope(const StateScope&) = delete;
  StateScope& operator=(const StateScope&) = delete;

 private:
  StateVisitor& visitor_;
};

}  // namespace bitwright
