#pragma once

#include <array>
#include <memory>
#include <string>
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

inline void require_floating(const TensorSpec& spec, std::string_view op) {
  if (!is_floating(spec.type)) require(false, std::string(op) + ": an operand of integers");
}

/// Axis of a tensor with `rank` axes; negative ones count from the last (-1).
inline int checked_axis(int axis, int rank, std::string_view op) {
  if (axis < -rank || axis >= rank)
    require(false, std::string(op) + ": no axis " + std::to_string(axis));
  return axis < 0 ? axis + rank : axis;
}

}  // namespace bitwright
