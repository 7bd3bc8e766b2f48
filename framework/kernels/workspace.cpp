#include "kernels/workspace.h"

#include <memory>

#include "core/pool.h"

namespace bitwright::kernels {

std::byte* workspace(std::size_t bytes) {
  thread_local std::shared_ptr<std::byte[]> block;
  thread_local std::size_t size = 0;
  if (bytes > size) {
    block.reset();
    block = pool_allocate(bytes);
    size = bytes;
  }
  return block.get();
}

}  // namespace bitwright::kernels
