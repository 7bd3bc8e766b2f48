#pragma once
// Which algorithm a convolution uses, as a fixed rule over shape, type and instruction set: a run
// never times anything to choose, or two runs would get different bits.

#include <string_view>

#include "kernels/convolution.h"

namespace bitwright::kernels {

/// Recorded with every run; goes up when a choice changes.
inline constexpr int kConvolutionRule = 2;

enum class ConvPass { forward, backward_data, backward_weights };

std::string_view name_of(ConvAlgorithm algorithm);  ///< "direct" ...

ConvAlgorithm choose_algorithm(const ConvShape& shape, ConvPass pass);

}  // namespace bitwright::kernels
