#pragma once

#include <span>

#include <bitwright/autograd/ops.h>

#include "kernels/convolution.h"

namespace bitwright {

/// The convolution of x [N, C, H, W], channels_last, with weight [O, C / groups, KH, KW]; throws
/// std::logic_error for shapes that do not fit.
kernels::ConvShape conv_shape(const TensorSpec& x, const TensorSpec& weight,
                              const ConvGeometry& geometry);

}  // namespace bitwright
