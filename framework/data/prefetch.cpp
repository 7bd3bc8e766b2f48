#include "data/prefetch.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include <oneapi/tbb/global_control.h>

namespace bitwright {

// oneTBB warns on standard error when it is asked for more than it may have.
static int available(int workers) {
  using Control = oneapi::tbb::global_control;
  const auto most = Control::active_value(Control::max_allowed_parallelism);
  return std::clamp(workers, 1, std::max(1, static_cast<int>(most) - 1));
}

struct Prefetcher::Ring {
  enum class State { empty, waiting, filling, full };
  struct Slot {
    explicit Slot(const BatchShape& shape) : buffer(shape) {}
    BatchBuffer buffer;
    std::int64_t position = -1;
    State state = State::empty;
    std::exception_ptr failure;
  };

  Fill fill;
  std::size_t workers = 1;
  std::mutex mutex;
  std::condition_variable filled;
  std::vector<Slot> slots;
  std::size_t tasks = 0;  // that have not ended

  Slot& slot(std::int64_t position) {
    return slots[static_cast<std::size_t>(position) % slots.size()];
  }

  // The caller holds the lock, and gives it away while it works.
  void fill_now(Slot& slot, std::unique_lock<std::mutex>& lock) {
    slot.state = State::filling;
    lock.unlock();
    try {
      fill(slot.position, slot.buffer);
    } catch (...) {
      slot.failure = std::current_exception();
    }
    lock.lock();
    slot.state = State::full;
    filled.notify_all();
  }

  Slot* first_waiting() {
    Slot* first = nullptr;
    for (Slot& slot : slots)
      if (slot.state == State::waiting && (!first || slot.position < first->position))
        first = &slot;
    return first;
  }

  // What a task does: fills batches as long as one waits for it.
  void work() {
    std::unique_lock lock(mutex);
    while (Slot* const slot = first_waiting()) fill_now(*slot, lock);
    --tasks;
  }

  void empty_all() {
    std::unique_lock lock(mutex);
    for (Slot& slot : slots)
      if (slot.state == State::waiting) slot.state = State::empty;
    for (Slot& slot : slots) {
      filled.wait(lock, [&] { return slot.state != State::filling; });
      slot.state = State::empty;
      slot.failure = nullptr;
    }
  }
};

// tests/tsan.supp names it: ThreadSanitizer does not see how oneTBB hands tasks over.
struct Prefetcher::Task {
  Ring* ring;
  void operator()() const { ring->work(); }
};

Prefetcher::Prefetcher(const BatchShape& shape, Fill fill, int workers, std::int64_t end)
    : shape_(shape), end_(end), ring_(std::make_unique<Ring>()), arena_(available(workers) + 1, 1) {
  ring_->fill = std::move(fill);
  ring_->workers = static_cast<std::size_t>(workers);
  for (int i = 0; i < workers + 3; ++i) ring_->slots.emplace_back(shape);
}

Prefetcher::~Prefetcher() {
  ring_->empty_all();
  arena_.execute([this] { group_.wait(); });  // runs what no thread has begun; it finds nothing
}

void Prefetcher::wait() {
  Ring::Slot& slot = ring_->slot(position_);
  std::unique_lock lock(ring_->mutex);
  if (slot.state == Ring::State::empty || slot.state == Ring::State::waiting) {
    slot.position = position_;
    ring_->fill_now(slot, lock);
  }
  ring_->filled.wait(lock, [&] { return slot.state == Ring::State::full; });
}

void Prefetcher::next(const Take& take) {
  wait();
  Ring::Slot& slot = ring_->slot(position_);
  {
    const std::lock_guard lock(ring_->mutex);
    if (slot.failure) {
      slot.state = Ring::State::empty;
      std::rethrow_exception(std::exchange(slot.failure, nullptr));
    }
  }
  take(slot.buffer);  // nobody else touches a full one
  ++position_;
  {
    const std::lock_guard lock(ring_->mutex);
    slot.state = Ring::State::empty;
  }
  prepare();
}

void Prefetcher::prepare() {
  const auto count = static_cast<std::int64_t>(ring_->slots.size());
  const std::int64_t last = end_ < 0 ? position_ + count : std::min(end_, position_ + count);
  for (std::int64_t position = position_; position < last; ++position) {
    {
      const std::lock_guard lock(ring_->mutex);
      Ring::Slot& slot = ring_->slot(position);
      if (slot.state != Ring::State::empty) continue;
      slot.position = position;
      slot.state = Ring::State::waiting;
      if (ring_->tasks == ring_->workers) continue;  // each goes on while there is something to do
      ++ring_->tasks;
    }
    arena_.execute([this] { group_.run(Task{ring_.get()}); });
  }
}

void Prefetcher::seek(std::int64_t position) {
  ring_->empty_all();
  position_ = position;
}

}  // namespace bitwright
