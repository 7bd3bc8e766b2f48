#include "kernels/indexing.h"

#include <algorithm>

#include <bitwright/core/bfloat16.h>
#include <bitwright/core/parallel.h>

namespace bitwright::kernels {
namespace {

// body(o, first, last): columns [first, last) of the outer index o. Columns are independent of
// each other, so that sums along the axis keep their order whatever the number of threads.
template <class Body>
void for_each_column_range(const GatherPlan& p, Body body) {
  const std::int64_t work = std::max(p.length, p.picked);
  parallel_for(p.outer * p.inner, std::max<std::int64_t>(1, 16384 / work),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t at = begin; at < end;) {
                   const std::int64_t o = at / p.inner, first = at % p.inner;
                   const std::int64_t last = std::min(p.inner, first + end - at);
                   body(o, first, last);
                   at += last - first;
                 }
               });
}

void clear(const GatherPlan& p, std::int64_t o, std::int64_t first, std::int64_t last, float* dx) {
  for (std::int64_t l = 0; l < p.length; ++l)
    std::fill_n(dx + (o * p.length + l) * p.inner + first, last - first, 0.f);
}

}  // namespace

template <class T>
void select(const GatherPlan& p, const std::int32_t* index, const T* x, T* y) {
  for_each_column_range(p, [=](std::int64_t o, std::int64_t first, std::int64_t last) {
    for (std::int64_t k = 0; k < p.picked; ++k)
      std::copy_n(x + (o * p.length + index[k]) * p.inner + first, last - first,
                  y + (o * p.picked + k) * p.inner + first);
  });
}

template <class T>
void select_backward(const GatherPlan& p, const std::int32_t* index, const T* dy, float* dx) {
  for_each_column_range(p, [=](std::int64_t o, std::int64_t first, std::int64_t last) {
    clear(p, o, first, last, dx);
    for (std::int64_t k = 0; k < p.picked; ++k) {
      const T* __restrict from = dy + (o * p.picked + k) * p.inner;
      float* __restrict to = dx + (o * p.length + index[k]) * p.inner;
      for (std::int64_t i = first; i < last; ++i) to[i] += float(from[i]);
    }
  });
}

template <class T>
void gather(const GatherPlan& p, const std::int32_t* index, const T* x, T* y) {
  for_each_column_range(p, [=](std::int64_t o, std::int64_t first, std::int64_t last) {
    for (std::int64_t k = 0; k < p.picked; ++k)
      for (std::int64_t i = first; i < last; ++i) {
        const std::int64_t at = (o * p.picked + k) * p.inner + i;
        y[at] = x[(o * p.length + index[at]) * p.inner + i];
      }
  });
}

template <class T>
void gather_backward(const GatherPlan& p, const std::int32_t* index, const T* dy, float* dx) {
  for_each_column_range(p, [=](std::int64_t o, std::int64_t first, std::int64_t last) {
    clear(p, o, first, last, dx);
    for (std::int64_t k = 0; k < p.picked; ++k)
      for (std::int64_t i = first; i < last; ++i) {
        const std::int64_t at = (o * p.picked + k) * p.inner + i;
        dx[(o * p.length + index[at]) * p.inner + i] += float(dy[at]);
      }
  });
}

bool in_range(std::int64_t n, const std::int32_t* index, std::int64_t length) {
  bool right = true;
  for (std::int64_t i = 0; i < n; ++i) right &= index[i] >= 0 && index[i] < length;
  return right;
}

template void select(const GatherPlan&, const std::int32_t*, const float*, float*);
template void select(const GatherPlan&, const std::int32_t*, const bfloat16*, bfloat16*);
template void select_backward(const GatherPlan&, const std::int32_t*, const float*, float*);
template void select_backward(const GatherPlan&, const std::int32_t*, const bfloat16*, float*);
template void gather(const GatherPlan&, const std::int32_t*, const float*, float*);
template void gather(const GatherPlan&, const std::int32_t*, const bfloat16*, bfloat16*);
template void gather_backward(const GatherPlan&, const std::int32_t*, const float*, float*);
template void gather_backward(const GatherPlan&, const std::int32_t*, const bfloat16*, float*);

}  // namespace bitwright::kernels
