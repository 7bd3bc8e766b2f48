#pragma once
// The one way to use several threads inside a training step. All loops share the OpenMP team that
// oneDNN uses; its size is the experiment's `threads`, never the machine's load.

#include <cstdint>
#include <functional>

namespace bitwright {

/// Instruction sets that our loops are compiled for; the widest that the CPU has is used.
enum class VectorLevel { baseline, avx2, avx512 };
/// Found once. ONEDNN_MAX_CPU_ISA (SSE41, AVX2 ...) limits our loops as it limits oneDNN's.
VectorLevel vector_level();

/// Sets the size of the team for this process and flushes denormals to zero on every member.
/// The size decides the bits of a run, so it is set once, before the first kernel.
void set_threads(int threads);
int threads();

/// Cores that affinity and cgroup quotas allow to this process, at least 1.
int available_cores();

namespace detail {
void parallel_for(std::int64_t n, std::int64_t grain,
                  const std::function<void(std::int64_t begin, std::int64_t end)>& body);
double parallel_sum(std::int64_t n, std::int64_t grain,
                    const std::function<double(std::int64_t begin, std::int64_t end)>& body);

// A loop body, compiled once per instruction set. `flatten` inlines the body and what it calls, so
// that all of it gets the instructions of the function around it.
template <class Body>
auto run_baseline(const Body& body, std::int64_t begin, std::int64_t end) {
  return body(begin, end);
}
#if defined(__x86_64__) && defined(__GNUC__)
template <class Body>
__attribute__((target("arch=x86-64-v3"), flatten, noinline)) auto run_avx2(const Body& body,
                                                                           std::int64_t begin,
                                                                           std::int64_t end) {
  return body(begin, end);
}
template <class Body>
__attribute__((target("arch=x86-64-v4,prefer-vector-width=512"), flatten, noinline)) auto
run_avx512(const Body& body, std::int64_t begin, std::int64_t end) {
  return body(begin, end);
}
#endif

template <class Body>
auto run_vectorized(const Body& body, std::int64_t begin, std::int64_t end) {
#if defined(__x86_64__) && defined(__GNUC__)
  switch (vector_level()) {
    case VectorLevel::avx512:
      return run_avx512(body, begin, end);
    case VectorLevel::avx2:
      return run_avx2(body, begin, end);
    case VectorLevel::baseline:
      break;
  }
#endif
  return run_baseline(body, begin, end);
}
}  // namespace detail

/// Calls body(begin, end) on disjoint ranges that cover [0, n). Ranges hold at least `grain`
/// elements; how they are cut depends on n, grain and threads() only. The body is compiled for
/// every VectorLevel: write plain loops in it, over functions that can be inlined. The first
/// exception that a body throws is rethrown here, after all ranges have ended.
template <class Body>
void parallel_for(std::int64_t n, std::int64_t grain, const Body& body) {
  const auto vectorized = [&body](std::int64_t begin, std::int64_t end) {
    detail::run_vectorized(body, begin, end);
  };
  detail::parallel_for(n, grain, std::cref(vectorized));  // by reference: a copy might allocate
}

/// Sum of body(begin, end) over fixed ranges of `grain` elements, added in order: the result does
/// not depend on the number of threads.
template <class Body>
double parallel_sum(std::int64_t n, std::int64_t grain, const Body& body) {
  const auto vectorized = [&body](std::int64_t begin, std::int64_t end) {
    return detail::run_vectorized(body, begin, end);
  };
  return detail::parallel_sum(n, grain, std::cref(vectorized));
}

}  // namespace bitwright
