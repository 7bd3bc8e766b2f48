#pragma once
// What can go wrong in training, and what is done about it.

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace bitwright {

enum class Fault { non_finite, divergence, zero_scale, zero_layer };
inline constexpr std::array kFaults{Fault::non_finite, Fault::divergence, Fault::zero_scale,
                                    Fault::zero_layer};
inline const char* name_of(Fault fault) {
  constexpr std::array names{"non_finite", "divergence", "zero_scale", "zero_layer"};
  return names[static_cast<std::size_t>(fault)];
}

/// stop: the run ends, its state saved; roll_back: it continues from its last checkpoint with a
/// smaller learning rate; go_on: it is said, once for each tensor and stage.
enum class Reaction { stop, roll_back, go_on };

/// Raised when training does not go on as it is.
class Diverged : public std::runtime_error {
 public:
  Diverged(std::int64_t step, const std::string& what, Fault fault = Fault::non_finite,
           Reaction reaction = Reaction::stop)
      : std::runtime_error(what), step(step), fault(fault), reaction(reaction) {}
  std::int64_t step;  ///< of the stage, from 1
  Fault fault;
  Reaction reaction;  ///< stop or roll_back
};

}  // namespace bitwright
