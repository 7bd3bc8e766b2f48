#pragma once
// The one way to use several threads inside a training step. All loops share the OpenMP team that
// oneDNN uses; its size is the experiment's `threads`, never the machine's load.

#include <cstdint>
#include <functional>

namespace bitwright {

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
}  // namespace detail

/// Calls body(begin, end) on disjoint ranges that cover [0, n). Ranges hold at least `grain`
/// elements; how they are cut depends on n, grain and threads() only. The first exception that a
/// body throws is rethrown here, after all ranges have ended.
template <class Body>
void parallel_for(std::int64_t n, std::int64_t grain, const Body& body) {
  detail::parallel_for(n, grain, std::cref(body));  // by reference: a copy might allocate
}

/// Sum of body(begin, end) over fixed ranges of `grain` elements, added in order: the result does
/// not depend on the number of threads.
template <class Body>
double parallel_sum(std::int64_t n, std::int64_t grain, const Body& body) {
  return detail::parallel_sum(n, grain, std::cref(body));
}

}  // namespace bitwright
