#pragma once
// Copies of boxes of elements between two arrays of any strides: padding, slices, concatenation.

#include <array>
#include <cstdint>
#include <vector>

#include <bitwright/tensor/tensor.h>

namespace bitwright::kernels {

/// A box inside a tensor: a size per axis, a corner and a step (both in elements of that axis).
struct Box {
  TensorSpec spec;                 ///< of the tensor
  std::vector<std::int64_t> from;  ///< per axis of the shape
  std::int64_t step = 1;           ///< along `stepped_axis` only
  int stepped_axis = 0;
};

class BoxCopy {
 public:
  BoxCopy() = default;
  /// Both boxes have `size` elements per axis.
  BoxCopy(const std::vector<std::int64_t>& size, const Box& source, const Box& target);
  /// Types of the tensors are equal.
  void run(const Tensor& source, Tensor& target) const;

 private:
  struct Axis {
    std::int64_t size, source, target;
  };
  template <class Word>
  void run(const Word* source, Word* target) const;

  std::vector<Axis> axes_;  // in the order of memory, outermost first
  std::int64_t source_offset_ = 0, target_offset_ = 0;
};

}  // namespace bitwright::kernels
