#pragma once
// State kept in memory: snapshots of the best weights, and comparison of states.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <variant>

#include <bitwright/core/state.h>
#include <bitwright/tensor/tensor.h>

namespace bitwright {

/// Visits all state of something with the visitor it is given:
///   [&](StateVisitor& visitor) { trainer.visit_state(visitor); }
using VisitState = std::function<void(StateVisitor&)>;

/// A copy of state. Its tensors have plain layout and storage of their own; saving again reuses it.
class MemoryState {
 public:
  /// Replaces what was kept. A name given twice is a bug (std::logic_error).
  void save(const VisitState& visit);
  /// Overwrites the visited state with what was kept. Names, types and shapes must be those of the
  /// saved state; anything else is a bug (std::logic_error).
  void load(const VisitState& visit) const;

  /// Visits the kept copies themselves, so that a snapshot can travel inside a checkpoint. A
  /// loading visitor overwrites them; names and shapes are those of the last save.
  void visit(StateVisitor& visitor);

  bool empty() const { return values_.empty(); }
  /// Bit for bit, NaN and the sign of zero included.
  bool operator==(const MemoryState& other) const { return first_difference(other).empty(); }
  /// The first name (in alphabetical order) that is missing on one side or differs; "" when none.
  std::string first_difference(const MemoryState& other) const;

 private:
  friend class MemorySaver;
  friend class MemoryLoader;
  using Value = std::variant<Tensor, std::int64_t, double, std::string>;
  std::map<std::string, Value, std::less<>> values_;  ///< by path, "optimizer/m/conv1.weight"
};

/// Whether two states are equal bit for bit.
bool state_equal(const VisitState& a, const VisitState& b);

}  // namespace bitwright
