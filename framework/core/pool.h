#pragma once
// The memory pool behind tensors. Freed blocks are kept by size and handed out again, so that a
// steady state asks nothing of the system.

#include <cstddef>
#include <cstdint>
#include <memory>

namespace bitwright {

/// A block of at least `bytes` bytes, aligned for the widest vectors; contents are undefined.
/// Thread-safe.
std::shared_ptr<std::byte[]> pool_allocate(std::size_t bytes);

struct PoolStatistics {
  std::int64_t system_allocations = 0;  ///< blocks ever taken from the system
  std::int64_t system_bytes = 0;        ///< bytes now held, in use or kept
};
PoolStatistics pool_statistics();

}  // namespace bitwright
