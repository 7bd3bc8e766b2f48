#pragma once
// One batch ahead: a double buffer whose back half is filled by a oneTBB task.

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>

#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include <bitwright/data/loader.h>

namespace bitwright {

/// Hands out fill(0), fill(1), ... and prepares the next one in the background. `fill` is called
/// from one thread at a time and must be a pure function of the position. Not copyable: the task
/// refers to this object.
class Prefetcher {
 public:
  using Fill = std::function<void(std::int64_t position, Batch& batch)>;

  /// Positions end before `end` (none are prepared from there on); negative: never.
  Prefetcher(Batch buffer, Fill fill, std::int64_t end = -1);
  ~Prefetcher();
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  /// Copies the batch at position() out, advances, and starts on the one after. Rethrows what
  /// `fill` threw; the position then stays, so the next call tries again.
  void next(float* images, std::int32_t* labels, std::int64_t* valid = nullptr);
  void seek(std::int64_t position);
  std::int64_t position() const { return position_; }
  const BatchShape& shape() const { return buffer_.shape; }

 private:
  struct Task {
    Prefetcher* owner;
    void operator()() const { owner->work(); }
  };

  void start();
  void work();  ///< what the task does
  void wait();

  Batch buffer_;
  Fill fill_;
  std::int64_t end_;
  std::int64_t position_ = 0;
  bool pending_ = false;  ///< the buffer holds, or a task is filling it with, position_
  std::exception_ptr failure_;
  // oneTBB orders the task before its wait; this says the same where ThreadSanitizer can see it,
  // because Debian's libtbb is not instrumented.
  std::atomic<bool> handed_over_{false};
  // An arena of its own: whoever waits here must not pick up unrelated work, such as a whole
  // sweep cell. One slot is the waiting thread's, the other a worker's.
  oneapi::tbb::task_arena arena_{2, 1};
  oneapi::tbb::task_group group_;
};

}  // namespace bitwright
