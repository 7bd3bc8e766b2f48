#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <omp.h>
#include <sched.h>

#include <bitwright/core/parallel.h>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace bitwright {

static int team_size = 1;

static VectorLevel find_vector_level() {
#if defined(__x86_64__) && defined(__GNUC__)
  const char* limit = std::getenv("ONEDNN_MAX_CPU_ISA");
  if (limit == nullptr) limit = std::getenv("DNNL_MAX_CPU_ISA");
  const std::string_view isa = limit == nullptr ? "" : limit;
  const bool below_avx2 = isa == "SSE41" || isa == "AVX";
  const bool below_avx512 = below_avx2 || isa.starts_with("AVX2");
  __builtin_cpu_init();
  if (!below_avx512 && __builtin_cpu_supports("x86-64-v4")) return VectorLevel::avx512;
  if (!below_avx2 && __builtin_cpu_supports("x86-64-v3")) return VectorLevel::avx2;
#endif
  return VectorLevel::baseline;
}

VectorLevel vector_level() {
  static const VectorLevel level = find_vector_level();
  return level;
}

static void flush_denormals() {
#if defined(__SSE__)
  _mm_setcsr(_mm_getcsr() | 0x8040u);  // flush-to-zero and denormals-are-zero
#endif
}

void set_threads(int threads) {
  team_size = std::max(1, threads);
  omp_set_dynamic(0);
  omp_set_num_threads(team_size);
  flush_denormals();
#pragma omp parallel num_threads(team_size)
  flush_denormals();
}

int threads() { return team_size; }

// cgroup v2 "cpu.max" holds "QUOTA PERIOD" or "max PERIOD"; v1 has one file for each.
static double cgroup_quota() {
  std::string quota, period;
  if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); v2 >> quota >> period && quota != "max")
    return std::stod(quota) / std::stod(period);
  std::ifstream q("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), p("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (double quota_us, period_us; q >> quota_us && p >> period_us && quota_us > 0 && period_us > 0)
    return quota_us / period_us;
  return INFINITY;
}

int available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  const double quota = cgroup_quota();
  if (quota < cores) cores = static_cast<int>(std::floor(quota));
  return std::max(1, cores);
}

// task(part) for every part in [0, parts), parts <= team_size.
template <class Task>
static void run_on_team(std::int64_t parts, const Task& task) {
#if defined(__SANITIZE_THREAD__)
  // ThreadSanitizer does not understand libgomp's barriers; it does understand these threads.
  std::vector<std::thread> others;
  for (std::int64_t part = 1; part < parts; ++part) others.emplace_back([&, part] { task(part); });
  task(0);
  for (std::thread& thread : others) thread.join();
#else
#pragma omp parallel for schedule(static, 1) num_threads(team_size)
  for (std::int64_t part = 0; part < parts; ++part) task(part);
#endif
}

void detail::parallel_for(std::int64_t n, std::int64_t grain,
                          const std::function<void(std::int64_t, std::int64_t)>& body) {
  if (n <= 0) return;
  const std::int64_t parts =
      std::clamp<std::int64_t>(n / std::max<std::int64_t>(1, grain), 1, team_size);
  if (parts == 1) return body(0, n);
  std::exception_ptr failure;  // an exception must not leave the parallel region
  std::mutex mutex;
  run_on_team(parts, [&](std::int64_t part) {
    try {
      body(n * part / parts, n * (part + 1) / parts);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  });
  if (failure) std::rethrow_exception(failure);
}

double detail::parallel_sum(std::int64_t n, std::int64_t grain,
                            const std::function<double(std::int64_t, std::int64_t)>& body) {
  grain = std::max<std::int64_t>(1, grain);
  const std::int64_t parts = (n + grain - 1) / grain;
  if (parts <= 1) return n > 0 ? body(0, n) : 0.0;
  // A step's sums are short: their parts fit on the stack.
  std::array<double, 64> few;
  std::vector<double> many(parts > 64 ? static_cast<std::size_t>(parts) : 0);
  double* const partial = many.empty() ? few.data() : many.data();
  bitwright::parallel_for(parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part)
      partial[part] = body(part * grain, std::min(n, (part + 1) * grain));
  });
  double sum = 0;
  for (std::int64_t part = 0; part < parts; ++part) sum += partial[part];
  return sum;
}

}  // namespace bitwright
