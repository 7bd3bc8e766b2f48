#include "kernels/box_copy.h"

#include <algorithm>
#include <cstring>

#include <bitwright/core/error.h>
#include <bitwright/core/parallel.h>

#include "kernels/index_space.h"

namespace bitwright::kernels {

BoxCopy::BoxCopy(const std::vector<std::int64_t>& size, const Box& source, const Box& target) {
  const auto from = strides_of(source.spec), to = strides_of(target.spec);
  for (std::size_t a = 0; a < size.size(); ++a) {
    source_offset_ += source.from[a] * from[a];
    target_offset_ += target.from[a] * to[a];
    const bool steps_source = source.stepped_axis == static_cast<int>(a);
    const bool steps_target = target.stepped_axis == static_cast<int>(a);
    axes_.push_back({size[a], from[a] * (steps_source ? source.step : 1),
                     to[a] * (steps_target ? target.step : 1)});
  }
  std::stable_sort(axes_.begin(), axes_.end(),
                   [](const Axis& a, const Axis& b) { return a.target > b.target; });
  std::vector<Axis> merged;
  for (const Axis& axis : axes_) {
    if (axis.size == 1) continue;
    if (!merged.empty() && merged.back().source == axis.size * axis.source &&
        merged.back().target == axis.size * axis.target) {
      merged.back() = {merged.back().size * axis.size, axis.source, axis.target};
    } else {
      merged.push_back(axis);
    }
  }
  if (merged.empty()) merged.push_back({1, 1, 1});
  axes_ = merged;
}

template <class Word>
void BoxCopy::run(const Word* source, Word* target) const {
  const Axis inner = axes_.back();
  std::int64_t rows = 1;
  for (std::size_t a = 0; a + 1 < axes_.size(); ++a) rows *= axes_[a].size;
  const std::int64_t grain = std::max<std::int64_t>(1, 16384 / inner.size);
  parallel_for(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const Word* from = source + source_offset_;
      Word* to = target + target_offset_;
      std::int64_t rest = row;
      for (std::size_t a = axes_.size() - 1; a-- > 0; rest /= axes_[a].size) {
        from += rest % axes_[a].size * axes_[a].source;
        to += rest % axes_[a].size * axes_[a].target;
      }
      if (inner.source == 1 && inner.target == 1) {
        std::memcpy(to, from, static_cast<std::size_t>(inner.size) * sizeof(Word));
      } else {
        for (std::int64_t i = 0; i < inner.size; ++i) to[i * inner.target] = from[i * inner.source];
      }
    }
  });
}

void BoxCopy::run(const Tensor& source, Tensor& target) const {
  require(source.type() == target.type(), "a box copied between two types");
  switch (size_of(source.type())) {
    case 1:
      return run(source.u8(), target.u8());
    case 2:
      return run(source.bf16(), target.bf16());
    default:
      return run(static_cast<const std::uint32_t*>(source.data()),
                 static_cast<std::uint32_t*>(target.data()));
  }
}

}  // namespace bitwright::kernels
