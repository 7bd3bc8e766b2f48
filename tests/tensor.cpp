// Shapes, tensors, layouts, and the pool behind them.
#include <stdexcept>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/tensor/tensor.h>

#include "core/pool.h"

using namespace bitwright;

TEST_CASE("shapes") {
  CHECK(Shape{}.numel() == 1);
  CHECK(Shape{}.rank() == 0);
  CHECK(Shape{2, 3, 4}.numel() == 24);
  CHECK(Shape{2, 0, 4}.numel() == 0);
  CHECK(Shape{100, 784}.str() == "[100, 784]");
  CHECK(Shape{}.str() == "[]");
  CHECK(Shape{2, 3} == Shape(std::vector<std::int64_t>{2, 3}));
  CHECK_FALSE(Shape{2, 3} == Shape{3, 2});
}

TEST_CASE("making tensors") {
  CHECK_FALSE(Tensor().defined());
  const Tensor t = Tensor::from({1, 2, 3, 4, 5, 6}, {2, 3});
  CHECK(t.defined());
  CHECK(t.bytes() == 24);
  CHECK(t.values()[5] == 6);
  CHECK(t.layout() == Layout::plain);
  CHECK(Tensor::scalar(2.5f).item() == 2.5f);
  CHECK(Tensor::scalar(2.5f).shape() == Shape{});
  const Tensor zeros = Tensor::zeros({5}), sevens = Tensor::full({5}, 7);
  for (const float v : zeros.values()) CHECK(v == 0);
  for (const float v : sevens.values()) CHECK(v == 7);
  CHECK(Tensor::empty({Shape{3}, DType::u8, Layout::plain}).bytes() == 3);
  CHECK(Tensor::empty({Shape{3}, DType::i32, Layout::plain}).bytes() == 12);
  CHECK(Tensor::empty({0, 4}).bytes() == 0);
}

TEST_CASE("handles share storage; clones and copies do not") {
  Tensor a = Tensor::from({1, 2}, {2});
  const Tensor handle = a, clone = a.clone();
  Tensor copy = Tensor::empty({2});
  copy.copy_from(a);
  a.fill(9);
  CHECK(handle.values()[1] == 9);
  CHECK(clone.values()[1] == 2);
  CHECK(copy.values()[1] == 2);
}

TEST_CASE("reshaped shares storage and keeps the order") {
  Tensor a = Tensor::from({1, 2, 3, 4, 5, 6}, {2, 3});
  const Tensor b = a.reshaped({3, 2});
  CHECK(b.shape() == Shape{3, 2});
  CHECK(b.values()[4] == 5);
  a.values()[4] = 8;
  CHECK(b.values()[4] == 8);
  CHECK(a.shape() == Shape{2, 3});
}

TEST_CASE("channels_last: [n, c, h, w] lies at ((n H + h) W + w) C + c") {
  const std::int64_t n = 2, c = 3, h = 2, w = 5;
  Tensor plain = Tensor::empty({n, c, h, w});
  for (std::int64_t i = 0; i < plain.numel(); ++i) plain.f32()[i] = static_cast<float>(i);
  Tensor last = Tensor::empty({plain.shape(), DType::f32, Layout::channels_last});
  last.copy_from(plain);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t k = 0; k < c; ++k)
      for (std::int64_t y = 0; y < h; ++y)
        for (std::int64_t x = 0; x < w; ++x)
          CHECK(last.f32()[((i * h + y) * w + x) * c + k] ==
                plain.f32()[((i * c + k) * h + y) * w + x]);
  Tensor back = Tensor::empty(plain.shape());
  back.copy_from(last);
  CHECK(std::equal(back.values().begin(), back.values().end(), plain.values().begin()));
  const Tensor same = last.clone();
  CHECK(same.layout() == Layout::channels_last);
  CHECK(std::equal(same.values().begin(), same.values().end(), last.values().begin()));

  Tensor bytes = Tensor::empty({Shape{1, 2, 1, 2}, DType::u8, Layout::plain});
  for (std::uint8_t i = 0; i < 4; ++i) bytes.u8()[i] = i;
  Tensor bytes_last = Tensor::empty({Shape{1, 2, 1, 2}, DType::u8, Layout::channels_last});
  bytes_last.copy_from(bytes);
  CHECK(std::vector<int>(bytes_last.u8(), bytes_last.u8() + 4) == std::vector<int>{0, 2, 1, 3});
}

TEST_CASE("what only a bug can ask for is refused") {
  Tensor a = Tensor::zeros({2, 3}), none;
  const Tensor last = Tensor::empty({Shape{1, 2, 3, 4}, DType::f32, Layout::channels_last});
  CHECK_THROWS_AS(Tensor::from({1, 2}, {3}), std::logic_error);
  CHECK_THROWS_AS(Tensor::empty({Shape{2, 3}, DType::f32, Layout::channels_last}),
                  std::logic_error);
  CHECK_THROWS_AS(a.i32(), std::logic_error);
  CHECK_THROWS_AS(a.u8(), std::logic_error);
  CHECK_THROWS_AS(none.f32(), std::logic_error);
  CHECK_THROWS_AS(a.item(), std::logic_error);
  CHECK_THROWS_AS(a.reshaped({4}), std::logic_error);
  CHECK_THROWS_AS(last.reshaped({24}), std::logic_error);
  CHECK_THROWS_AS(a.copy_from(Tensor::zeros({3, 2})), std::logic_error);
  CHECK_THROWS_AS(a.copy_from(none), std::logic_error);
  CHECK_THROWS_AS(none.copy_from(a), std::logic_error);
  CHECK_THROWS_AS(none.clone(), std::logic_error);
  CHECK_THROWS_AS(a.copy_from(Tensor::empty({Shape{2, 3}, DType::i32, Layout::plain})),
                  std::logic_error);
}

TEST_CASE("the pool hands freed blocks out again, aligned, and never one block twice") {
  const Shape odd{12347};
  const void* first = Tensor::empty(odd).data();
  const auto before = pool_statistics();
  {
    const Tensor again = Tensor::empty(odd);
    CHECK(again.data() == first);
    CHECK(pool_statistics().system_allocations == before.system_allocations);
    const Tensor other = Tensor::empty(odd);
    CHECK(other.data() != again.data());
    CHECK(pool_statistics().system_allocations == before.system_allocations + 1);
    CHECK(pool_statistics().system_bytes >= before.system_bytes + 12347 * 4);
  }
  for (std::int64_t n : {1, 3, 15, 16, 17, 1000})
    CHECK(reinterpret_cast<std::uintptr_t>(Tensor::empty({n}).data()) % 64 == 0);
}

TEST_CASE("the pool serves several threads at once") {
  std::vector<std::thread> team;
  std::vector<int> damaged(4);
  for (std::size_t t = 0; t < damaged.size(); ++t)
    team.emplace_back([&, t] {
      for (int round = 0; round < 200; ++round) {
        const float mark = static_cast<float>(1000 * t) + static_cast<float>(round);
        const Tensor mine = Tensor::full({257}, mark);
        std::this_thread::yield();
        for (const float v : mine.values()) damaged[t] += v != mark;
      }
    });
  for (std::thread& thread : team) thread.join();
  CHECK(damaged == std::vector<int>(4));
}
