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

/// Calls body(begin, end) on disjoint ranges that cover [0, n). Ranges hold at least `grain`
/// elements; how they are cut depends on n, grain and threads() only.
void parallel_for(std::int64_t n, std::int64_t grain,
                  const std::function<void(std::int64_t begin, std::int64_t end)>& body);

/// Sum of body(begin, end) over fixed ranges of `grain` elements, added in order: the result does
/// not depend on the number of threads.
double parallel_sum(std::int64_t n, std::int64_t grain,
                    const std::function<double(std::int64_t begin, std::int64_t end)>& body);

}  // namespace bitwright
