#pragma once
// Index spaces: where the elements of operands lie that are broadcast over, or reduced from, a
// whole tensor of any layout.

#include <array>
#include <cstdint>
#include <vector>

#include <bitwright/tensor/tensor.h>

namespace bitwright::kernels {

/// Distance in memory between neighbours along each axis of the shape.
std::vector<std::int64_t> strides_of(const TensorSpec& spec);

/// The axes of a whole tensor in the order of its memory, outermost first, and the strides of two
/// operands along them: 0 where the operand is broadcast (or reduced to). Axes of size 1 are left
/// out and axes are merged where all strides allow it.
struct IndexSpace {
  static constexpr int kWhole = 2;  ///< index of the whole tensor's own strides
  using Offsets = std::array<std::int64_t, 3>;
  struct Axis {
    std::int64_t size = 1;
    Offsets stride{};  ///< of the two operands and of the whole
  };

  IndexSpace() = default;
  /// `first`, `second`: strides of the operands per axis of `whole.shape`.
  IndexSpace(const TensorSpec& whole, const std::vector<std::int64_t>& first,
             const std::vector<std::int64_t>& second);

  std::vector<Axis> outer;
  Axis inner{1, {0, 0, 1}};
};

std::int64_t count(const std::vector<IndexSpace::Axis>& axes);

/// Walks over axes in row-major order and knows the offsets of the current element.
class Cursor {
 public:
  Cursor(const std::vector<IndexSpace::Axis>& axes, std::int64_t start) : axes_(axes) {
    for (std::size_t a = axes.size(); a-- > 0; start /= axes[a].size) {
      index_[a] = start % axes[a].size;
      for (std::size_t k = 0; k < 3; ++k) offsets_[k] += index_[a] * axes[a].stride[k];
    }
  }
  const IndexSpace::Offsets& offsets() const { return offsets_; }
  void next() {
    for (std::size_t a = axes_.size(); a-- > 0;) {
      const bool wraps = ++index_[a] == axes_[a].size;
      const std::int64_t steps = wraps ? 1 - axes_[a].size : 1;
      for (std::size_t k = 0; k < 3; ++k) offsets_[k] += steps * axes_[a].stride[k];
      if (!wraps) return;
      index_[a] = 0;
    }
  }

 private:
  const std::vector<IndexSpace::Axis>& axes_;
  std::array<std::int64_t, 16> index_{};
  IndexSpace::Offsets offsets_{};
};

}  // namespace bitwright::kernels
