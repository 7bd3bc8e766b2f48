#pragma once
// How the weights of a convolution lie, for the reorders around the algorithms.

#include "kernels/convolution.h"
#include "kernels/dnnl_api.h"

namespace bitwright::kernels {

/// As parameters: [O, I, kernel_h, kernel_w] in f32.
inline api::Desc plain_weights(const ConvShape& s) {
  return {{s.out_channels, s.c, s.kernel_h, s.kernel_w},
          dnnl::memory::data_type::f32,
          dnnl::memory::format_tag::oihw};
}

/// As a matrix for each tap, row by row of the kernel: [I, O] or, transposed, [O, I]. One group.
inline api::Desc tap_matrices(const ConvShape& s, bool transposed, DType type) {
  const std::int64_t area = s.c * s.out_channels, row = s.kernel_w * area;
  return {{s.out_channels, s.c, s.kernel_h, s.kernel_w},
          api::type_of(type),
          transposed ? api::Dims{s.c, 1, row, area} : api::Dims{1, s.out_channels, row, area}};
}

}  // namespace bitwright::kernels
