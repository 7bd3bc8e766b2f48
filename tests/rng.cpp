// Philox against the known-answer vectors of its reference implementation (Random123), and the
// statistics of what is built on it.
#include <cmath>
#include <set>

#include <doctest/doctest.h>

#include <bitwright/core/rng.h>

using namespace bitwright;

TEST_CASE("philox 4x32-10 gives the published known answers") {
  CHECK(philox({0, 0, 0, 0}, {0, 0}) ==
        std::array<std::uint32_t, 4>{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u});
  CHECK(philox({0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu}, {0xffffffffu, 0xffffffffu}) ==
        std::array<std::uint32_t, 4>{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu});
  CHECK(philox({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, {0xa4093822u, 0x299f31d0u}) ==
        std::array<std::uint32_t, 4>{0xd16cfe09u, 0x94fdcceb, 0x5001e420u, 0x24126ea1u});
}

TEST_CASE("a stream depends on seed, purpose and coordinates, and on nothing else") {
  const Rng r(1, "init", 2, 3);
  CHECK(r.bits(7) == Rng(1, "init", 2, 3).bits(7));
  std::set<std::uint64_t> all{r.bits(7),
                              r.bits(8),
                              Rng(2, "init", 2, 3).bits(7),
                              Rng(1, "shuffle", 2, 3).bits(7),
                              Rng(1, "init", 3, 3).bits(7),
                              Rng(1, "init", 2, 2).bits(7),
                              Rng(1, "init", 3, 2).bits(7)};
  CHECK(all.size() == 7);
}

TEST_CASE("uniform and normal have their moments") {
  const Rng r(42, "moments");
  const int n = 200000;
  double u1 = 0, u2 = 0, g1 = 0, g2 = 0, g4 = 0;
  for (int i = 0; i < n; ++i) {
    const double u = r.uniform(static_cast<std::uint64_t>(i));
    const double g = r.normal(static_cast<std::uint64_t>(i));
    REQUIRE(u >= 0);
    REQUIRE(u < 1);
    u1 += u, u2 += u * u, g1 += g, g2 += g * g, g4 += g * g * g * g;
  }
  CHECK(u1 / n == doctest::Approx(0.5).epsilon(0.005));
  CHECK(u2 / n == doctest::Approx(1.0 / 3).epsilon(0.01));
  CHECK(std::abs(g1 / n) < 0.01);
  CHECK(g2 / n == doctest::Approx(1).epsilon(0.01));
  CHECK(g4 / n == doctest::Approx(3).epsilon(0.03));
}

TEST_CASE("a permutation holds every index once and differs between epochs") {
  const auto order = Rng(1, "shuffle", 0).permutation(1000);
  CHECK(std::set<std::uint32_t>(order.begin(), order.end()).size() == 1000);
  CHECK(order != Rng(1, "shuffle", 1).permutation(1000));
  CHECK(Rng(1, "shuffle").permutation(0).empty());
}
