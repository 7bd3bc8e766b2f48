// Bit streams, Huffman codes and accounting.
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/core/rng.h>
#include <bitwright/quant/accounting.h>
#include <bitwright/quant/bit_stream.h>
#include <bitwright/quant/entropy.h>
#include <bitwright/quant/huffman.h>

#include "method_fixture.h"

using namespace bitwright;

using Counts = std::vector<std::int64_t>;

static double mean_length(const Counts& counts) {
  std::int64_t n = 0;
  for (const std::int64_t c : counts) n += c;
  return static_cast<double>(HuffmanCode::of(counts).bits(counts)) / static_cast<double>(n);
}

TEST_CASE("numbers of any width come back from a bit stream") {
  BitWriter out;
  const Rng rng(1, "bits");
  std::int64_t total = 0;
  for (std::uint64_t i = 0; i < 500; ++i) {
    const int bits = static_cast<int>(rng.below(2 * i, 33));
    out.put(static_cast<std::uint32_t>(rng.bits(2 * i + 1)), bits);
    total += bits;
  }
  CHECK(out.bits() == total);
  CHECK(out.bytes().size() == static_cast<std::size_t>((total + 7) / 8));
  BitReader in(out.bytes());
  for (std::uint64_t i = 0; i < 500; ++i) {
    const int bits = static_cast<int>(rng.below(2 * i, 33));
    const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
    CHECK(in.get(bits) == (static_cast<std::uint32_t>(rng.bits(2 * i + 1)) & mask));
  }
  CHECK(in.position() == total);
  CHECK_THROWS_AS(in.get(9), std::out_of_range);
}

TEST_CASE("the first bit is the highest of the first byte") {
  CHECK(pack_codes(std::vector<std::int32_t>{-1, 0, 2, 1, 1}, -1, 2) ==
        std::vector<std::uint8_t>{0b00011110, 0b10000000});
  CHECK(packed_bytes(5, 2) == 2);
  std::vector<std::int32_t> codes(5);
  unpack_codes(std::vector<std::uint8_t>{0b00011110, 0b10000000}, -1, 2, codes);
  CHECK(codes == std::vector<std::int32_t>{-1, 0, 2, 1, 1});
  CHECK(pack_codes(std::vector<std::int32_t>{7, 7}, 7, 0).empty());
  CHECK_THROWS_AS(pack_codes(std::vector<std::int32_t>{3}, -1, 2), std::logic_error);
}

// The numbers of items 5 and 6 of the method's worked examples.
TEST_CASE("Huffman codes have the length of the worked examples") {
  CHECK(mean_length({40, 30, 20, 10}) == doctest::Approx(1.9));
  CHECK(mean_length({90, 5, 3, 2}) == doctest::Approx(1.15));
  CHECK(mean_length({97, 1, 1, 1}) == doctest::Approx(1.05));
  CHECK(mean_length({5, 0, 3}) == 1);
  CHECK(mean_length({90, 0, 0, 5, 0, 5}) == doctest::Approx(1.10));  // symbols that never occur
  CHECK(entropy_of(Counts{40, 30, 20, 10}) == doctest::Approx(1.846439).epsilon(1e-6));
  CHECK(entropy_of(Counts{90, 5, 3, 2}) == doctest::Approx(0.617543).epsilon(1e-6));
  CHECK(entropy_of(Counts{97, 1, 1, 1}) == doctest::Approx(0.241941).epsilon(1e-6));
  CHECK(entropy_of(Counts{5, 0, 3}) == doctest::Approx(0.954434).epsilon(1e-6));
  CHECK(mean_length({0, 7, 0}) == 0);  // one symbol: nothing to say
  CHECK(HuffmanCode::of(Counts{0, 0}).bits(Counts{0, 0}) == 0);
}

TEST_CASE("canonical words: shorter ones first, then the order of the symbols") {
  const auto code = HuffmanCode::of(Counts{10, 1, 10, 1});
  CHECK(code.lengths() == std::vector<int>{2, 3, 1, 3});
  BitWriter out;
  code.encode(std::vector<std::int32_t>{2, 0, 1, 3}, out);
  CHECK(out.bytes() == std::vector<std::uint8_t>{0b01011011, 0b10000000});
}

TEST_CASE("coded values come back, from the stream and its table alone; H <= L < H + 1") {
  const Rng rng(2, "huffman");
  std::uint64_t draw = 0;
  for (std::int64_t symbols : {1, 2, 3, 17, 256})
    for (double steepness : {0.0, 0.1, 1.0, 8.0}) {
      std::vector<std::int32_t> values(3000);
      Counts counts(static_cast<std::size_t>(symbols));
      for (std::int32_t& v : values) {
        const double u = rng.uniform(draw++);
        v = static_cast<std::int32_t>(static_cast<double>(symbols) * std::pow(u, 1 + steepness));
        ++counts[static_cast<std::size_t>(v)];
      }
      const auto code = HuffmanCode::of(counts);
      BitWriter out;
      code.write_table(out);
      CHECK(out.bits() == code.table_bits());
      code.encode(values, out);
      CHECK(out.bits() == code.table_bits() + code.bits(counts));
      BitReader in(out.bytes());
      std::vector<std::int32_t> back(values.size());
      HuffmanCode::read_table(in, symbols).decode(in, back);
      CHECK(back == values);
      const double h = entropy_of(counts), l = mean_length(counts);
      CHECK(l >= h - 1e-12);
      CHECK(l < h + 1);
    }
}

TEST_CASE("counts like Fibonacci's numbers make words of at most 32 bits") {
  Counts counts{1, 1};
  while (counts.size() < 60) counts.push_back(counts.rbegin()[0] + counts.rbegin()[1]);
  const auto code = HuffmanCode::of(counts);
  double kraft = 0;
  for (const int length : code.lengths()) {
    CHECK(length <= 32);
    CHECK(length > 0);
    kraft += std::exp2(-length);
  }
  CHECK(kraft == 1);
}

TEST_CASE("tables and streams that are none are refused") {
  BitWriter incomplete;
  incomplete.put(2, 6);
  for (int length : {1, 2, 0}) incomplete.put(static_cast<std::uint32_t>(length), 2);
  BitReader in(incomplete.bytes());
  CHECK_THROWS_AS(HuffmanCode::read_table(in, 3), std::invalid_argument);
  BitReader empty({});
  CHECK_THROWS_AS(HuffmanCode::read_table(empty, 3), std::out_of_range);
  BitWriter only;
  only.put(0, 6);
  only.put(3, 2);
  BitReader wrong(only.bytes());
  CHECK_THROWS_AS(HuffmanCode::read_table(wrong, 3), std::invalid_argument);
  const std::vector<std::uint8_t> one_byte{0xff};
  BitReader early(one_byte);
  std::vector<std::int32_t> values(9);
  CHECK_THROWS_AS(HuffmanCode::of(Counts{1, 1}).decode(early, values), std::out_of_range);
}

TEST_CASE("BitOPs are multiply-accumulates times both widths") {
  const auto network = test::small_network();  // 4 -> 3 -> 2
  CHECK(bit_operations(*network, {}) == (12 + 6) * 1024.0);
  CHECK(bit_operations(*network, {{"fc2", {2, 4}}}) == 12 * 1024.0 + 6 * 8.0);
  CHECK_THROWS_AS(bit_operations(*network, {{"fc9", {2, 4}}}), std::logic_error);
}

TEST_CASE("stored bits count codes, scales, offsets and code book") {
  const auto network = test::small_network();
  const Parameter& p = network->parameters()[0];
  CHECK(stored_bits(p, {}) == 12 * 32);
  Coded coded;
  coded.bits = 3;
  coded.codes.assign(12, 1);
  coded.scale = {1, 2, 3};
  coded.offset = {0, 0, 0};
  CHECK(stored_bits(p, coded) == 12 * 3 + 6 * 32);
}
