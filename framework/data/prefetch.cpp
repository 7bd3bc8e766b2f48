#include "data/prefetch.h"

#include <algorithm>
#include <utility>

namespace bitwright {

Prefetcher::Prefetcher(Batch buffer, Fill fill, std::int64_t end)
    : buffer_(std::move(buffer)), fill_(std::move(fill)), end_(end) {}

Prefetcher::~Prefetcher() {
  try {
    wait();
  } catch (...) {  // nobody asked for this batch
  }
}

void Prefetcher::start() {
  if (end_ >= 0 && position_ >= end_) return;
  pending_ = true;
  handed_over_.store(true, std::memory_order_release);
  arena_.execute([this] { group_.run(Task{this}); });
}

void Prefetcher::work() {
  handed_over_.load(std::memory_order_acquire);
  try {
    fill_(position_, buffer_);
  } catch (...) {
    failure_ = std::current_exception();
  }
  handed_over_.store(false, std::memory_order_release);
}

void Prefetcher::wait() {
  if (!std::exchange(pending_, false)) return;
  arena_.execute([this] { group_.wait(); });
  handed_over_.load(std::memory_order_acquire);
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void Prefetcher::next(float* images, std::int32_t* labels, std::int64_t* valid) {
  if (pending_)
    wait();
  else
    fill_(position_, buffer_);
  std::copy(buffer_.images.begin(), buffer_.images.end(), images);
  std::copy(buffer_.labels.begin(), buffer_.labels.end(), labels);
  if (valid) *valid = buffer_.shape.valid;
  ++position_;
  start();
}

void Prefetcher::seek(std::int64_t position) {
  try {
    wait();
  } catch (...) {  // belongs to a batch that is no longer wanted
  }
  position_ = position;
}

}  // namespace bitwright
