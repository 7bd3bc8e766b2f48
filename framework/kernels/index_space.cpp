#include "kernels/index_space.h"

#include <bitwright/core/error.h>

namespace bitwright::kernels {

std::vector<std::int64_t> strides_of(const TensorSpec& spec) {
  const Shape& s = spec.shape;
  if (spec.layout == Layout::channels_last) return {s[1] * s[2] * s[3], 1, s[3] * s[1], s[1]};
  std::vector<std::int64_t> strides(s.dims().size());
  std::int64_t stride = 1;
  for (std::size_t a = strides.size(); a-- > 0; stride *= s.dims()[a]) strides[a] = stride;
  return strides;
}

IndexSpace::IndexSpace(const TensorSpec& whole, const std::vector<std::int64_t>& first,
                       const std::vector<std::int64_t>& second) {
  require(whole.shape.rank() <= 16, "a tensor of more than 16 axes");
  std::vector<std::size_t> order{0, 2, 3, 1};
  if (whole.layout == Layout::plain) {
    order.resize(whole.shape.dims().size());
    for (std::size_t a = 0; a < order.size(); ++a) order[a] = a;
  }
  const std::vector<std::int64_t> own = strides_of(whole);
  for (std::size_t a : order) {
    const Axis axis{whole.shape.dims()[a], {first[a], second[a], own[a]}};
    if (axis.size == 1) continue;
    bool merges = !outer.empty();
    for (std::size_t k = 0; merges && k < 3; ++k)
      merges = outer.back().stride[k] == axis.size * axis.stride[k];
    if (merges) {
      outer.back().size *= axis.size;
      outer.back().stride = axis.stride;
    } else {
      outer.push_back(axis);
    }
  }
  if (outer.empty()) return;
  inner = outer.back();
  outer.pop_back();
}

std::int64_t count(const std::vector<IndexSpace::Axis>& axes) {
  std::int64_t n = 1;
  for (const IndexSpace::Axis& axis : axes) n *= axis.size;
  return n;
}

}  // namespace bitwright::kernels
