#include "core/pool.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace bitwright {
namespace {

constexpr std::size_t kAlignment = 64;

class Pool {
 public:
  std::byte* take(std::size_t size) {
    const std::lock_guard lock(mutex_);
    auto& kept = kept_[size];
    if (!kept.empty()) {
      std::byte* block = kept.back();
      kept.pop_back();
      return block;
    }
    ++statistics_.system_allocations;
    statistics_.system_bytes += static_cast<std::int64_t>(size);
    return static_cast<std::byte*>(::operator new (size, std::align_val_t{kAlignment}));
  }

  void give(std::byte* block, std::size_t size) {
    const std::lock_guard lock(mutex_);
    kept_[size].push_back(block);
  }

  PoolStatistics statistics() {
    const std::lock_guard lock(mutex_);
    return statistics_;
  }

 private:
  std::mutex mutex_;
  std::map<std::size_t, std::vector<std::byte*>> kept_;
  PoolStatistics statistics_;
};

// Never destroyed: tensors in static storage may outlive every other static object.
Pool& pool() {
  static Pool* const instance = new Pool;
  return *instance;
}

}  // namespace

// AddressSanitizer sees use after return to the pool, and past the requested bytes, too.
#if defined(__SANITIZE_ADDRESS__)
static void forbid(std::byte* block, std::size_t size) { ASAN_POISON_MEMORY_REGION(block, size); }
static void permit(std::byte* block, std::size_t size) { ASAN_UNPOISON_MEMORY_REGION(block, size); }
#else
static void forbid(std::byte*, std::size_t) {}
static void permit(std::byte*, std::size_t) {}
#endif

std::shared_ptr<std::byte[]> pool_allocate(std::size_t bytes) {
  const std::size_t size = (std::max<std::size_t>(bytes, 1) + kAlignment - 1) & ~(kAlignment - 1);
  std::byte* const taken = pool().take(size);
  forbid(taken, size);
  permit(taken, bytes);
  return {taken, [size](std::byte* block) {
            forbid(block, size);
            pool().give(block, size);
          }};
}

PoolStatistics pool_statistics() { return pool().statistics(); }

}  // namespace bitwright
