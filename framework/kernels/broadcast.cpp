#include "kernels/broadcast.h"

namespace bitwright::kernels {

Reduction::Reduction(const IndexSpace& space, std::size_t to) : operand(to), inner(space.inner) {
  const auto keeps = [&](const IndexSpace::Axis& axis) {
    return axis.size == 1 || axis.stride[operand] != 0;
  };
  keeps_inner = keeps(inner);
  for (const IndexSpace::Axis& axis : space.outer) (keeps(axis) ? kept : reduced).push_back(axis);
  (keeps_inner ? kept_blocks : reduced_blocks) = (inner.size + kBlock - 1) / kBlock;
  units = count(kept) * kept_blocks;
  items = count(reduced) * reduced_blocks;
  const std::int64_t few = kChunk * kBlock / std::min(kBlock, inner.size);
  chunk = units < kChunk ? std::min(items, few) : items;
  chunks = (items + chunk - 1) / chunk;
}

double* detail::reduction_scratch(std::int64_t n) {
  thread_local std::vector<double> scratch;
  if (static_cast<std::int64_t>(scratch.size()) < n) scratch.resize(static_cast<std::size_t>(n));
  return scratch.data();
}

}  // namespace bitwright::kernels
