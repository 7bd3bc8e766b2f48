#pragma once
// State held in memory: the best network so far. A snapshot is itself state, so it can be visited
// and travels inside checkpoints.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <bitwright/core/state.h>
#include <bitwright/tensor/tensor.h>

namespace bitwright {

/// Copies of named state. `take` and `restore` call the component's visiting function.
class Snapshot {
 public:
  using Visit = std::function<void(StateVisitor&)>;

  void take(const Visit& visit);           ///< copies; reuses the storage of an earlier take
  void restore(const Visit& visit) const;  ///< throws std::logic_error for state that was not taken
  /// Visits the copies themselves. A loading visitor overwrites them, so the snapshot must have
  /// been taken once (with any contents) to know the names and shapes.
  void visit(StateVisitor& visitor);

  struct Entry {
    std::vector<std::string> path;  // scopes, then the name
    enum class Kind { tensor, integer, real, text } kind = Kind::tensor;
    Tensor tensor;
    std::int64_t integer = 0;
    double real = 0;
    std::string text;
  };

 private:
  std::vector<Entry> entries_;  // in visiting order
};

}  // namespace bitwright
