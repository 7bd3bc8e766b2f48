#pragma once

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include <bitwright/autograd/ops.h>
#include <bitwright/core/error.h>

namespace bitwright {

/// Records an op of type O, made from `arguments`, on the tape of the first input.
template <class O, std::size_t N, class... Args>
Variable record_op(const std::array<Variable, N>& inputs, Args&&... arguments) {
  return inputs[0].tape().record(std::make_unique<O>(std::forward<Args>(arguments)...), inputs);
}

inline void require_shape(bool holds, std::string_view op, const Shape& shape) {
  if (!holds) require(false, std::string(op) + ": unexpected shape " + shape.str());
}

}  // namespace bitwright
