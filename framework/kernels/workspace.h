#pragma once
// Scratch memory that kernels of one thread of control share: they run one after another, so the
// largest request is enough for all.

#include <cstddef>

namespace bitwright::kernels {

/// At least `bytes` bytes, aligned for the widest vectors; the contents survive until another
/// kernel of this thread asks. Grows only: asked for once when a kernel is planned, it allocates
/// nothing in a step.
std::byte* workspace(std::size_t bytes);

}  // namespace bitwright::kernels
