#pragma once

#include "autograd/ops/helpers.h"
#include "kernels/max_pool.h"

namespace bitwright {

/// The plan of a pooling op whose arguments fit; every window holds a pixel of the image.
inline kernels::PoolPlan pool_plan(const TensorSpec& in, std::int64_t size, std::int64_t stride,
                                   std::int64_t padding, std::string_view op) {
  const Shape& x = in.shape;
  require_floating(in, op);
  require_shape(x.rank() == 4 && in.layout == Layout::channels_last && x.numel() > 0, op, x);
  if (size < 1 || stride < 1 || padding < 0 || 2 * padding > size)
    require(false, std::string(op) + ": size, stride or padding");
  const std::int64_t least = size - 2 * padding;
  require_shape(x[2] >= least && x[3] >= least, op, x);
  return {.n = x[0],
          .c = x[1],
          .h = x[2],
          .w = x[3],
          .size = size,
          .stride = stride,
          .padding = padding};
}

}  // namespace bitwright
