// In a steady state a training step takes nothing from the system: tensors come from the pool's
// kept blocks, and what the C++ heap is asked for is oneDNN's own bookkeeping per call, small and
// the same in every step.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

#include <doctest/doctest.h>

#include "core/pool.h"
#include "small_net.h"
#include "trainer_fixture.h"

namespace {
std::atomic<std::int64_t> calls{0}, largest{0};

void* count(std::size_t size, std::size_t alignment) {
  ++calls;
  if (static_cast<std::int64_t>(size) > largest) largest = static_cast<std::int64_t>(size);
  void* block = nullptr;
  if (posix_memalign(&block, std::max(alignment, sizeof(void*)), std::max<std::size_t>(1, size)))
    throw std::bad_alloc();
  return block;
}
}  // namespace

// Replaces the global ones of the test program; the array forms end up here too. Inlined into a
// caller, free() would look to the compiler like the wrong partner of that caller's new.
void* operator new(std::size_t size) { return count(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept try {
  return count(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
} catch (const std::bad_alloc&) {
  return nullptr;
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return count(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* block) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
  std::free(block);
}

using namespace bitwright;

TEST_CASE("the counter counts") {
  calls = largest = 0;
  const Tensor t = Tensor::empty({54321});  // a size that nobody else uses
  CHECK(calls > 0);
  CHECK(largest >= 54321 * 4);
}

TEST_CASE("after the second replay a step allocates no block, and nothing that grows") {
  for (int team : {1, 2}) {
    const testing::ThreadsScope scope(team);
    testing::SmallNet net(64);
    for (int warm = 0; warm < 2; ++warm) net.step(0.01f);
    const PoolStatistics before = pool_statistics();
    std::int64_t previous = -1;
    for (int i = 0; i < 5; ++i) {
      calls = largest = 0;
      net.step(0.01f);
      const std::int64_t now = calls;
      CHECK(largest <= 1024);
      CHECK(now < 400);
      if (i > 0) CHECK(now == previous);
      previous = now;
    }
    MESSAGE("heap requests per step: ", previous);
    CHECK(pool_statistics().system_allocations == before.system_allocations);
    CHECK(pool_statistics().system_bytes == before.system_bytes);
  }
}

TEST_CASE("accumulating, clipping and averaging allocate nothing after the first update") {
  for (const char* optimizer : {"sgd", "adamw"}) {
    testing::StageOptions options;
    options.optimizer = optimizer;
    options.trainer.accumulate = 2;
    options.trainer.update = {.clip = {.norm = 0.1, .value = {}},
                              .average = {.decay = 0.9, .warm_up = true}};
    testing::SmallStage stage(options);
    TrainingStep step(*stage.network, *stage.methods, *stage.optimizer, stage.loader->shape(),
                      DType::f32, options.trainer.update);
    TrainingStep plain(*stage.network, *stage.methods, *stage.optimizer, stage.loader->shape());
    for (std::int64_t i = 0; i < 6; ++i) {
      calls = 0;
      plain.update({i, 0, 0.1});
      const std::int64_t of_one_batch = calls;  // oneDNN's bookkeeping
      calls = largest = 0;
      const PoolStatistics before = pool_statistics();
      step.accumulate({i, 0, 0.1});
      step.update({i, 0, 0.1});
      if (i < 2) continue;

      CHECK(calls == 2 * of_one_batch);
      CHECK(pool_statistics().system_allocations == before.system_allocations);
    }
  }
}

TEST_CASE("our own ops allocate nothing at all") {
  for (int team : {1, 2}) {
    const testing::ThreadsScope scope(team);
    Tensor x = Tensor::empty({Shape{16, 8, 20, 20}, DType::f32, Layout::channels_last});
    testing::fill_normal(x, 1);
    Tape tape;
    const BatchNormState state{Tensor::zeros({8}), Tensor::full({8}, 1), 1e-5, 0.1};
    const Variable leaf = tape.parameter(x), planes = tape.parameter(Tensor::full({2, 300}, 1));
    const Variable y = max_pool2d(relu(batch_norm(leaf, {}, {}, state, true)), 2, 2);
    const Variable loss =
        add(add(sum(square(y)), mean(multiply(leaf, leaf))), sum(softmax_planes(planes, 2)));
    for (int i = 0; i < 4; ++i) {
      calls = 0;
      tape.forward();
      tape.backward(loss);
      if (i >= 2) CHECK(calls == 0);
    }
  }
}

TEST_CASE("the other ops allocate nothing either, one by one") {
  for (int team : {1, 2}) {
    const testing::ThreadsScope scope(team);
    Tape tape;
    Tensor pixels = Tensor::empty({Shape{8, 20, 16, 16}, DType::f32, Layout::channels_last});
    Tensor rows = Tensor::empty({64, 300}), index = Tensor::empty({Shape{90}, DType::i32});
    testing::fill_normal(pixels, 1);
    testing::fill_normal(rows, 2);
    for (int i = 0; i < 90; ++i) index.i32()[i] = i % 64;
    const Variable x = tape.parameter(pixels), m = tape.parameter(rows);
    const Variable channels = tape.parameter(Tensor::full({20}, 2)), k = tape.constant(index);
    const Variable narrow = cast(x, DType::bf16);
    const std::vector<Variable> results{avg_pool2d(x, 3, 2, 1),
                                        max_pool2d(narrow, 3, 2, 1),
                                        global_avg_pool(x),
                                        shortcut_a(x, 2, 40),
                                        concat({x, x}, 1),
                                        pad(x, {{}, {}, {1, 1}, {1, 1}}),
                                        slice(m, 0, 3, 60, 2),
                                        multiply(x, channels),
                                        divide(narrow, channels),
                                        mean(x, {0, 2, 3}),
                                        max(m, {1}),
                                        variance(m, {0}),
                                        norm(x),
                                        quantile(m, 0.9, 1),
                                        sort(m, 0).values,
                                        index_select(m, 0, k),
                                        softmax(m),
                                        log_softmax(m),
                                        mse(m, scale(m, 2)),
                                        kl_divergence(m, square(m)),
                                        soft_cross_entropy(m, square(m)),
                                        tanh(narrow),
                                        pow(m, 2),
                                        dropout(x, 0.5, {1, "layer", 0}, true),
                                        sign_ste_tanh(m, 2)};
    for (const Variable& y : results) {
      CAPTURE(y.shape().str());
      const Variable loss = sum(y);
      for (int i = 0; i < 3; ++i) {
        calls = 0;
        tape.forward();
        tape.backward(loss);
        if (i == 2) CHECK(calls == 0);
      }
    }
  }
}
