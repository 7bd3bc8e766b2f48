#pragma once
// What two checkpoints say differently.

#include <cstddef>
#include <string>
#include <vector>

#include <bitwright/results/checkpoint.h>

namespace bitwright::results {

/// A piece of state whose bits differ, or that only one side has.
struct StateDifference {
  std::string entry;  ///< "stage/current/network/fc1.weight"
  std::string what;   ///< "element 7 of 30 is 0.25, and 0.26; 3 differ"
};

struct StateComparison {
  std::size_t entries = 0;  ///< that both have
  std::vector<StateDifference> differences;
};

/// Compares all entries bit for bit, in alphabetical order; `what` names the first one's value
/// before the second one's.
StateComparison compare_states(const Checkpoint& first, const Checkpoint& second);

}  // namespace bitwright::results
