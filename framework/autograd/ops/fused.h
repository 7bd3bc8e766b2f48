#pragma once
// Ops that other ops' fuse() offer.

#include <memory>

#include <bitwright/autograd/variable.h>

namespace bitwright {

/// max(0, x) and then `pool`, a max_pool2d; null when it is none.
std::unique_ptr<Op> relu_max_pool2d(const Op& pool);

}  // namespace bitwright
