#pragma once
// Which algorithm a convolution uses, as a fixed rule over shape, type and instruction set: a run
// never times anything to choose, or two runs would get different bits.

#include "kernels/convolution.h"

namespace bitwright::kernels {

/// Recorded with every run; goes up when a choice changes.
inline constexpr int kConvolutionRule = 3;

enum class ConvPass { forward, backward_data, backward_weights };

ConvAlgorithm choose_algorithm(const ConvShape& shape, ConvPass pass);

}  // namespace bitwright::kernels
