#pragma once
// Who follows the inside of training steps: the tape's ops, and what happens around them.

#include <utility>

#include <bitwright/autograd/variable.h>
#include <bitwright/train/method.h>

namespace bitwright {

/// What the Trainer is busy with. A step is batch, methods, tape, methods, optimizer, methods;
/// batch and tape again for each batch that it accumulates.
enum class Phase { batch, methods, tape, optimizer, evaluation };

/// Told by the thread that trains, as things happen. Reads, changes nothing; may throw to end the
/// run.
class StepObserver : public TapeObserver {
 public:
  virtual void step_begins(const StepInfo&) {}
  virtual void step_ends() {}  ///< the update is done; evaluation and logging follow
  virtual void enter(Phase) {}
  virtual void leave(Phase) {}
};

/// Runs `work` as a phase of what the observer follows; null: nobody does.
template <class Work>
void in_phase(StepObserver* observer, Phase phase, Work&& work) {
  if (observer) observer->enter(phase);
  std::forward<Work>(work)();
  if (observer) observer->leave(phase);
}

}  // namespace bitwright
