#pragma once
// Maps and reductions over an index space. Elements are read in blocks as float, whatever their
// type and stride, so that one loop serves every combination of operands; the loop itself is
// contiguous and vectorises. Sums are double, over fixed chunks in a fixed order: the number of
// threads does not change them.

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include <bitwright/core/parallel.h>
#include <bitwright/tensor/tensor.h>

#include "kernels/index_space.h"

namespace bitwright::kernels {

inline constexpr std::int64_t kBlock = 256;  ///< elements handled at a time
inline constexpr std::int64_t kChunk = 64;   ///< blocks that one partial sum covers

/// What a kernel reads: f32 or bf16, or nothing (zeros).
struct Source {
  Source() = default;
  explicit Source(const Tensor& t)
      : f32(t.type() == DType::bf16 ? nullptr : t.f32()),
        bf16(t.type() == DType::bf16 ? t.bf16() : nullptr) {}

  /// `n` elements as float: where they lie, or in `buffer`.
  const float* load(std::int64_t offset, std::int64_t stride, std::int64_t n, float* buffer) const {
    if (f32 != nullptr && stride == 1) return f32 + offset;
    if (f32 != nullptr) {
      copy(f32 + offset, stride, n, buffer);
    } else if (bf16 != nullptr) {
      copy(bf16 + offset, stride, n, buffer);
    } else {
      std::fill_n(buffer, n, 0.f);
    }
    return buffer;
  }

  const float* f32 = nullptr;
  const bfloat16* bf16 = nullptr;

 private:
  template <class T>
  static void copy(const T* __restrict from, std::int64_t stride, std::int64_t n,
                   float* __restrict to) {
    if (stride == 0) {
      std::fill_n(to, n, float(*from));
    } else if (stride == 1) {
      for (std::int64_t i = 0; i < n; ++i) to[i] = float(from[i]);
    } else {
      for (std::int64_t i = 0; i < n; ++i) to[i] = float(from[i * stride]);
    }
  }
};

/// The operands of a kernel: two that an index space places, and the whole tensor.
struct Sources {
  Source first, second, whole;
};

namespace detail {
struct Buffers {
  std::array<float, kBlock> first, second, whole, result;
};

/// f(first, second, whole) of the `n` elements from `at` on along the axis `inner`.
template <class F>
const float* evaluate(const Sources& in, const IndexSpace::Axis& inner,
                      const IndexSpace::Offsets& at, std::int64_t n, Buffers& buffers, const F& f) {
  const float* a = in.first.load(at[0], inner.stride[0], n, buffers.first.data());
  const float* b = in.second.load(at[1], inner.stride[1], n, buffers.second.data());
  const float* c = in.whole.load(at[2], 1, n, buffers.whole.data());
  float* __restrict r = buffers.result.data();
  for (std::int64_t i = 0; i < n; ++i) r[i] = f(a[i], b[i], c[i]);
  return r;
}

inline IndexSpace::Offsets moved(IndexSpace::Offsets at, const IndexSpace::Axis& axis,
                                 std::int64_t steps) {
  for (std::size_t k = 0; k < 3; ++k) at[k] += steps * axis.stride[k];
  return at;
}
inline IndexSpace::Offsets sum_of(IndexSpace::Offsets a, const IndexSpace::Offsets& b) {
  for (std::size_t k = 0; k < 3; ++k) a[k] += b[k];
  return a;
}
}  // namespace detail

/// result = f(first, second, whole) for every element of the whole.
template <class F>
void map_space(const IndexSpace& space, const Sources& in, Tensor& result, const F& f) {
  const IndexSpace::Axis& inner = space.inner;
  const std::int64_t blocks = (inner.size + kBlock - 1) / kBlock;
  const std::int64_t grain = kChunk * kBlock / std::min(kBlock, inner.size);
  for_float_type(result.type(), [&]<class T>(T*) {
    T* const out = result.as<T>();
    parallel_for(count(space.outer) * blocks, grain, [&](std::int64_t begin, std::int64_t end) {
      detail::Buffers buffers;
      Cursor row(space.outer, begin / blocks);
      for (std::int64_t unit = begin; unit < end; ++unit) {
        const std::int64_t from = unit % blocks * kBlock, n = std::min(kBlock, inner.size - from);
        const auto at = detail::moved(row.offsets(), inner, from);
        const float* __restrict r = detail::evaluate(in, inner, at, n, buffers, f);
        T* __restrict to = out + at[IndexSpace::kWhole];
        for (std::int64_t i = 0; i < n; ++i) to[i] = T(r[i]);
        if (from + n == inner.size) row.next();
      }
    });
  });
}

/// What a reduction does with the terms.
struct Sum {
  static constexpr double start = 0;
  static double combine(double a, double b) { return a + b; }
};
struct Max {  // NaN wins
  static constexpr double start = -std::numeric_limits<double>::infinity();
  static double combine(double a, double b) { return b > a || b != b ? b : a; }
};
struct Min {
  static constexpr double start = std::numeric_limits<double>::infinity();
  static double combine(double a, double b) { return b < a || b != b ? b : a; }
};

/// How a reduction to one of the operands is cut up: into units of kept elements and, where these
/// are few, into chunks of terms.
struct Reduction {
  Reduction() = default;
  Reduction(const IndexSpace& space, std::size_t operand);

  std::size_t operand = 0;
  IndexSpace::Axis inner;
  bool keeps_inner = true;
  std::vector<IndexSpace::Axis> kept, reduced;       ///< the other axes
  std::int64_t kept_blocks = 1, reduced_blocks = 1;  ///< of the inner axis
  std::int64_t units = 1;                            ///< of at most kBlock results each
  std::int64_t items = 1, chunk = 1, chunks = 1;     ///< blocks of terms of each unit
};

namespace detail {
/// Reduces blocks of terms to one value per element (the inner axis is kept) or to one value.
template <class R>
class Accumulator {
 public:
  explicit Accumulator(std::int64_t width) {
    std::fill_n(values_.data(), std::max(width, kLanes), R::start);
  }
  void add_each(const float* __restrict terms, std::int64_t n) {
    double* __restrict to = values_.data();
    for (std::int64_t i = 0; i < n; ++i) to[i] = R::combine(to[i], static_cast<double>(terms[i]));
  }
  void add_all(const float* __restrict terms, std::int64_t n) {
    double* __restrict to = values_.data();
    std::int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes)
      for (std::int64_t k = 0; k < kLanes; ++k)
        to[k] = R::combine(to[k], static_cast<double>(terms[i + k]));
    for (std::int64_t k = 0; i < n; ++i, ++k)
      to[k] = R::combine(to[k], static_cast<double>(terms[i]));
  }
  double* each() { return values_.data(); }
  double* all() {
    for (std::size_t k = 1; k < static_cast<std::size_t>(kLanes); ++k)
      values_[0] = R::combine(values_[0], values_[k]);
    return values_.data();
  }

 private:
  static constexpr std::int64_t kLanes = 16;
  std::array<double, kBlock> values_;
};

inline IndexSpace::Offsets offsets_of_unit(const Reduction& r, std::int64_t unit) {
  return moved(Cursor(r.kept, unit / r.kept_blocks).offsets(), r.inner,
               unit % r.kept_blocks * kBlock);
}
inline std::int64_t width_of_unit(const Reduction& r, std::int64_t unit) {
  return r.keeps_inner ? std::min(kBlock, r.inner.size - unit % r.kept_blocks * kBlock) : 1;
}

/// The terms of one chunk of one unit.
template <class R, class F>
double* accumulate(const Reduction& r, const Sources& in, std::int64_t unit, std::int64_t chunk,
                   Buffers& buffers, Accumulator<R>& result, const F& term) {
  const auto base = offsets_of_unit(r, unit);
  const std::int64_t begin = chunk * r.chunk, end = std::min(r.items, begin + r.chunk);
  Cursor row(r.reduced, begin / r.reduced_blocks);
  for (std::int64_t item = begin; item < end; ++item) {
    const std::int64_t block = item % r.reduced_blocks;
    const std::int64_t n =
        r.keeps_inner ? width_of_unit(r, unit) : std::min(kBlock, r.inner.size - block * kBlock);
    const auto at = sum_of(moved(base, r.inner, block * kBlock), row.offsets());
    const float* terms = evaluate(in, r.inner, at, n, buffers, term);
    r.keeps_inner ? result.add_each(terms, n) : result.add_all(terms, n);
    if (block + 1 == r.reduced_blocks) row.next();
  }
  return r.keeps_inner ? result.each() : result.all();
}

/// Scratch for partial results; keeps its capacity: no allocation per step.
double* reduction_scratch(std::int64_t n);
}  // namespace detail

/// For each element of the operand that the reduction leads to: finish(R over those elements of
/// the whole that it is broadcast to of term(first, second, whole)).
template <class R, class F, class G>
void reduce_space(const Reduction& r, const Sources& in, Tensor& result, const F& term,
                  const G& finish) {
  const std::int64_t terms = r.chunk * std::min(kBlock, r.inner.size);
  const std::int64_t grain = std::max<std::int64_t>(1, kChunk * kBlock / terms);
  const std::int64_t width = r.keeps_inner ? std::min(kBlock, r.inner.size) : 1;
  double* const partial =
      r.chunks == 1 ? nullptr : detail::reduction_scratch(r.chunks * r.units * width);
  for_float_type(result.type(), [&]<class T>(T*) {
    const auto store = [&, out = result.as<T>()](std::int64_t unit, const double* values) {
      T* const to = out + detail::offsets_of_unit(r, unit)[r.operand];
      const std::int64_t stride = r.inner.stride[r.operand], n = detail::width_of_unit(r, unit);
      for (std::int64_t i = 0; i < n; ++i)
        to[i * stride] = T(static_cast<float>(finish(values[i])));
    };
    parallel_for(r.units * r.chunks, grain, [&](std::int64_t begin, std::int64_t end) {
      detail::Buffers buffers;
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t unit = task / r.chunks;
        detail::Accumulator<R> sums(width);
        const double* values =
            detail::accumulate(r, in, unit, task % r.chunks, buffers, sums, term);
        if (partial == nullptr) {
          store(unit, values);
        } else {
          std::copy_n(values, width, partial + task * width);
        }
      }
    });
    for (std::int64_t unit = 0; partial != nullptr && unit < r.units; ++unit) {
      double* const total = partial + unit * r.chunks * width;
      for (std::int64_t c = 1; c < r.chunks; ++c)
        for (std::int64_t i = 0; i < width; ++i)
          total[i] = R::combine(total[i], total[c * width + i]);
      store(unit, total);
    }
  });
}

template <class R, class F>
void reduce_space(const Reduction& r, const Sources& in, Tensor& result, const F& term) {
  reduce_space<R>(r, in, result, term, [](double total) { return total; });
}

}  // namespace bitwright::kernels
