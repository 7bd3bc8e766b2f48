#pragma once
// Order statistics of rows. Ties keep their order, NaN is larger than every number, and -0 = +0.

#include <cstdint>

namespace bitwright::kernels {

/// `rows` lines of `length` elements: element k of line (o, i) lies at (o * length + k) * inner +
/// i.
struct LinePlan {
  std::int64_t outer = 1, length = 1, inner = 1;
  std::int64_t lines() const { return outer * inner; }
};

/// Ascending: sorted values, and where each came from. `keys`: scratch of outer * length * inner.
/// T is float or bfloat16.
template <class T>
void sort_lines(const LinePlan& plan, const T* x, T* values, std::int32_t* order,
                std::uint64_t* keys);
/// dx[order[k]] = dy[k], line by line.
template <class T>
void unsort_lines(const LinePlan& plan, const std::int32_t* order, const T* dy, T* dx);

/// Per line: the q-quantile, linear between order statistics k = floor(q (length - 1)) and k + 1;
/// NaN where a line holds one. `index`: where those two lie, [lines][2]. `keys` as above.
template <class T>
void quantile_lines(const LinePlan& plan, double q, const T* x, float* values, std::int32_t* index,
                    std::uint64_t* keys);
/// dy[line] shared between the two order statistics, zero elsewhere.
template <class T>
void quantile_lines_backward(const LinePlan& plan, double q, const std::int32_t* index,
                             const float* dy, T* dx);

}  // namespace bitwright::kernels
