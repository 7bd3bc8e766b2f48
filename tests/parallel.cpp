// Parallel loops: what they cover, and which results may depend on the number of threads.
#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "small_net.h"

using namespace bitwright;
using testing::same_bits;
using testing::SmallNet;
using testing::ThreadsScope;

using Ranges = std::vector<std::pair<std::int64_t, std::int64_t>>;

static Ranges ranges_of(std::int64_t n, std::int64_t grain) {
  std::mutex mutex;
  Ranges ranges;
  parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
    const std::lock_guard lock(mutex);
    ranges.emplace_back(begin, end);
  });
  std::sort(ranges.begin(), ranges.end());
  return ranges;
}

TEST_CASE(
    "parallel_for covers [0, n) once, in at most one range per thread, none below the grain") {
  for (int team : {1, 2, 3, 8}) {
    const ThreadsScope scope(team);
    for (std::int64_t n : {0, 1, 2, 7, 64, 1000, 1001})
      for (std::int64_t grain : {-1, 0, 1, 3, 64, 5000}) {
        CAPTURE(team);
        CAPTURE(n);
        CAPTURE(grain);
        const Ranges ranges = ranges_of(n, grain);
        std::int64_t covered = 0;
        for (const auto& [begin, end] : ranges) {
          CHECK(begin == covered);
          CHECK(end > begin);
          CHECK((end - begin >= grain || ranges.size() == 1));
          covered = end;
        }
        CHECK(covered == n);
        CHECK(ranges.size() <= static_cast<std::size_t>(team));
        CHECK(ranges == ranges_of(n, grain));
      }
  }
}

TEST_CASE("parallel_for uses the whole team where there is enough to do, and nests") {
  const ThreadsScope scope(3);
  CHECK(ranges_of(1000, 1).size() == 3);
  std::atomic<int> inner{0};
  parallel_for(6, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      parallel_for(10, 1,
                   [&](std::int64_t b, std::int64_t e) { inner += static_cast<int>(e - b); });
  });
  CHECK(inner == 60);
}

TEST_CASE("an exception of a body reaches the caller, and the team still works") {
  for (int team : {1, 3}) {
    const ThreadsScope scope(team);
    CHECK_THROWS_AS(
        parallel_for(100, 1,
                     [](std::int64_t, std::int64_t) { throw std::runtime_error("from a body"); }),
        std::runtime_error);
    CHECK_THROWS_AS(
        parallel_sum(100, 10,
                     [](std::int64_t, std::int64_t) -> double { throw std::logic_error(""); }),
        std::logic_error);
    CHECK(ranges_of(100, 1).size() == static_cast<std::size_t>(team));
  }
}

TEST_CASE("parallel_sum has the same bits for every number of threads") {
  // Terms whose sum depends on the order of additions.
  std::vector<double> x;
  for (std::uint64_t i = 0; i < 10007; ++i)
    x.push_back(std::ldexp(Rng(1, "sum").normal(i), static_cast<int>(i % 60) - 30));
  for (std::int64_t grain : {1, 100, 1000, 20000}) {
    std::vector<std::uint64_t> bits;
    for (int team : {1, 2, 3}) {
      const ThreadsScope scope(team);
      const double sum = parallel_sum(static_cast<std::int64_t>(x.size()), grain,
                                      [&](std::int64_t begin, std::int64_t end) {
                                        double s = 0;
                                        for (std::int64_t i = begin; i < end; ++i)
                                          s += x[static_cast<std::size_t>(i)];
                                        return s;
                                      });
      bits.push_back(std::bit_cast<std::uint64_t>(sum));
    }
    CHECK(bits[0] == bits[1]);
    CHECK(bits[0] == bits[2]);
  }
  CHECK(parallel_sum(0, 10, [](std::int64_t, std::int64_t) { return 1.0; }) == 0);
}

TEST_CASE("a training step has the same bits every time for the same number of threads") {
  for (int team : {1, 2, 3}) {
    const ThreadsScope scope(team);
    const auto train = [] {
      SmallNet net(64);
      for (std::uint64_t i = 0; i < 5; ++i) {
        net.load(i);
        net.step(0.05f);
      }
      net.weights.push_back(net.norm1.running_variance);
      return net.weights;
    };
    const std::vector<Tensor> first = train(), second = train();
    for (std::size_t i = 0; i < first.size(); ++i) {
      CAPTURE(team);
      CAPTURE(i);
      CHECK(same_bits(first[i], second[i]));
    }
  }
}

TEST_CASE("denormals are flushed to zero on every thread of the team") {
  const ThreadsScope scope(3);
  std::vector<float> products(3, 1);
  const volatile float tiny = std::numeric_limits<float>::min();
  parallel_for(3, 1, [&](std::int64_t begin, std::int64_t) {
    products[static_cast<std::size_t>(begin)] = tiny * 0.5f;
  });
  CHECK(products == std::vector<float>(3, 0));
}

TEST_CASE("threads: at least one, and the cores this process may use") {
  const ThreadsScope scope(2);
  CHECK(threads() == 2);
  set_threads(0);
  CHECK(threads() == 1);
  CHECK(available_cores() >= 1);
}
