// Loops of core/parallel.h on one thread: the fuzz build has no OpenMP.
#include <algorithm>

#include <bitwright/core/parallel.h>

namespace bitwright {

VectorLevel vector_level() { return VectorLevel::baseline; }

namespace detail {

void parallel_for(std::int64_t n, std::int64_t,
                  const std::function<void(std::int64_t begin, std::int64_t end)>& body) {
  if (n > 0) body(0, n);
}

double parallel_sum(std::int64_t n, std::int64_t grain,
                    const std::function<double(std::int64_t begin, std::int64_t end)>& body) {
  double sum = 0;
  for (std::int64_t begin = 0; begin < n; begin += grain)
    sum += body(begin, std::min(n, begin + grain));
  return sum;
}

}  // namespace detail
}  // namespace bitwright
