#pragma once
// Batches prepared ahead by oneTBB tasks, in a ring of buffers. Nobody polls: whoever needs a batch
// that a task is filling sleeps until it is full, and fills one that no task has begun itself. So
// there is progress even where all of oneTBB's threads are busy with something else.

#include <cstdint>
#include <functional>
#include <memory>

#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include "data/batch_buffer.h"

namespace bitwright {

/// Hands out fill(0), fill(1), ... Not copyable.
class Prefetcher {
 public:
  /// Must be a pure function of the position; called from several threads at once for different
  /// positions and buffers.
  using Fill = std::function<void(std::int64_t position, BatchBuffer& into)>;
  using Take = std::function<void(const BatchBuffer&)>;

  /// At most `workers` threads prepare batches, three more of them ahead than there are workers,
  /// because a worker may be slow to wake. Positions end before `end`: none are prepared from there
  /// on; negative: never.
  Prefetcher(const BatchShape& shape, Fill fill, int workers = 1, std::int64_t end = -1);
  /// Waits for what is being filled, since that may use what goes away next.
  ~Prefetcher();
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  /// Returns when the batch at position() is there, or what went wrong with it.
  void wait();
  /// Shows the batch at position() to `take`, advances, and has the following ones prepared.
  /// Rethrows what `fill` threw; the position then stays, so the next call tries again.
  void next(const Take& take);
  void seek(std::int64_t position);
  std::int64_t position() const { return position_; }
  const BatchShape& shape() const { return shape_; }

 private:
  struct Ring;
  struct Task;
  void prepare();

  BatchShape shape_;
  std::int64_t end_;
  std::int64_t position_ = 0;
  std::unique_ptr<Ring> ring_;
  // An arena of its own: whoever waits for the group must not pick up unrelated work, such as a
  // whole sweep cell.
  oneapi::tbb::task_arena arena_;
  oneapi::tbb::task_group group_;
};

}  // namespace bitwright
